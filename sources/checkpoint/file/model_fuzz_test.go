package file

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/openesm/openesm/sources/checkpoint"
)

// FuzzStore does the same to a file and to the store in memory: both give the
// same answers and hold the same leases, whatever is restarted or fails in between.
func FuzzStore(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07"))
	f.Add([]byte("\x10\x11\x12\x00\x00\x05\x00\x06\x00\x07\x00\x03\x11"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 200 {
			t.Skip("long enough")
		}
		m := model{t: t, path: newPath(t), want: checkpoint.NewMemory()}
		m.open()
		defer func() { mustClose(t, m.file) }()
		for _, step := range steps {
			m.step(step)
		}
		m.restart()
		m.compare()
	})
}

type model struct {
	t    *testing.T
	path string
	file *Store
	want *checkpoint.Memory
}

func (m *model) open() {
	m.t.Helper()
	var err error
	m.file, err = Open(m.path, Options{})
	if err != nil {
		m.t.Fatal(err)
	}
}

// step does what the lower four bits say to the shard that the upper ones name.
func (m *model) step(step byte) {
	m.t.Helper()
	ctx := m.t.Context()
	shard := "shard-" + string('a'+rune(step>>4)%4)
	last, exists := m.stored(shard)
	next := lease(shard, int(last.Counter)+1)
	if !exists {
		last = lease(shard, 0)
	}
	both := func(f func(s checkpoint.Store) error) {
		got, want := f(m.file), f(m.want)
		if !errors.Is(got, want) {
			m.t.Fatalf("step %#x gives %v, want %v", step, got, want)
		}
	}
	switch step % 16 {
	case 0, 1, 2:
		both(func(s checkpoint.Store) error { return s.Update(ctx, last, next) })
	case 3, 4:
		both(func(s checkpoint.Store) error { return s.Create(ctx, lease(shard, 0)) })
	case 5:
		both(func(s checkpoint.Store) error { return s.Delete(ctx, last) })
	case 6:
		last.Counter += 5
		both(func(s checkpoint.Store) error { return s.Update(ctx, last, next) })
	case 7:
		m.restart()
	case 8:
		m.fail(last, next)
	default:
		m.compare()
	}
}

func (m *model) stored(shard string) (checkpoint.Lease, bool) {
	m.t.Helper()
	list, err := m.want.Leases(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, l := range list {
		if l.Shard == shard {
			return l, true
		}
	}
	return checkpoint.Lease{}, false
}

func (m *model) restart() {
	m.t.Helper()
	mustClose(m.t, m.file)
	m.open()
}

// fail has a commit fail in which an update was.
func (m *model) fail(last, next checkpoint.Lease) {
	m.t.Helper()
	broken := errors.New("no room")
	err := m.file.db.Update(func(tx *bbolt.Tx) error {
		value, err := encode(&next)
		return errors.Join(broken, err, tx.Bucket([]byte(leases)).Put([]byte(last.Shard), value))
	})
	if !errors.Is(err, broken) {
		m.t.Fatal(err)
	}
	m.compare()
}

func (m *model) compare() {
	m.t.Helper()
	got := versions(m.t, m.file)
	want, err := m.want.Leases(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, l := range want {
		if counter, exists := got[l.Shard]; !exists || counter != l.Counter {
			m.t.Fatalf("the file has %v, want %s at %d", got, l.Shard, l.Counter)
		}
	}
	if len(got) != len(want) {
		m.t.Fatalf("the file has %v, want %d leases", got, len(want))
	}
}
