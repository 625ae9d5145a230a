package file

import (
	"errors"
	"os"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/memory"
)

// FuzzStore does the same to a file and to the store in memory: both give the
// same answers and hold the same leases, whatever is restarted, torn or full in
// between.
func FuzzStore(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07"))
	f.Add([]byte("\x10\x11\x12\x00\x00\x05\x00\x06\x00\x07\x00\x03\x11"))
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 200 {
			t.Skip("long enough")
		}
		m := model{t: t, path: newPath(t), want: memory.New()}
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
	want *memory.Store
}

func (m *model) open() {
	m.t.Helper()
	var err error
	m.file, err = Open(m.path, Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.file.slack = 500
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
		m.full(func() error { return m.file.Update(ctx, last, next) }, int64(step>>4)*9)
	case 9:
		m.tear(int(step >> 4))
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

// full makes a write fail with room for a few bytes.
func (m *model) full(write func() error, room int64) {
	m.t.Helper()
	m.file.making.Wait()
	whole := m.file.log.disk
	d := weaken(m.file)
	d.room, d.noCut = m.file.log.end+min(room, 80), room%2 == 0
	if err := write(); err == nil {
		m.t.Fatal("a write to a full disk succeeds")
	}
	m.file.log.disk = whole
	m.compare()
}

// tear puts the beginning of an entry behind the last one, as an end in the
// middle of a write does, and opens the file again.
func (m *model) tear(size int) {
	m.t.Helper()
	l := lease("torn", 0)
	entry := appendPut(openEntry(nil), &l)
	m.file.making.Wait()
	if err := m.file.log.format.closeEntry(entry); err != nil {
		m.t.Fatal(err)
	}
	mustClose(m.t, m.file)
	data := append(mustRead(m.t, m.path), entry[:size*(len(entry)-1)/15]...)
	if err := os.WriteFile(m.path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.open()
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
