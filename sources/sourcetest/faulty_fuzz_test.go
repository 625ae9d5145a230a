package sourcetest

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// script makes faults of fuzzed bytes, and none once these are used up.
type script struct{ data []byte }

func (s *script) fault(Op) Fault {
	if len(s.data) < 2 {
		return Fault{}
	}
	kind, value := s.data[0], int(s.data[1])
	s.data = s.data[2:]
	some := func(r sources.Record) bool {
		n, _ := strconv.Atoi(string(r.Data))
		return (n+value)%3 == 0
	}
	switch kind % 8 {
	case 0:
		return Fault{Before: errTest}
	case 1:
		return Fault{After: errTest}
	case 2:
		return Fault{Delay: time.Duration(value) * time.Millisecond}
	case 3:
		return Fault{Unsettled: some}
	case 4:
		return Fault{Stale: some}
	case 5:
		return Fault{Unsettled: some, Stale: func(r sources.Record) bool { return !some(r) && value%2 == 0 }}
	case 6:
		return Fault{Repeat: value % 4}
	default:
		return Fault{}
	}
}

// fuzzRun reads all of a source with faults, as an engine does.
type fuzzRun struct {
	t    *testing.T
	p    sources.Partition
	seen map[string]int
	acks map[string]bool // that Ack called settled
}

// settle acks until nothing is unsettled. What an error names must be of the
// records given.
func (r *fuzzRun) settle(records []sources.Record) {
	for len(records) > 0 {
		open := map[string]bool{}
		for i := range records {
			open[records[i].ID] = true
		}
		err := r.p.Ack(r.t.Context(), records)
		partial, isPartial := errors.AsType[*sources.AckError](err)
		switch {
		case err != nil && !isPartial:
			continue // none
		case isPartial:
			for _, record := range append(append([]sources.Record(nil), partial.Unsettled...), partial.Stale...) {
				if !open[record.ID] {
					r.t.Fatalf("Ack of %d records tells of %s", len(records), record.Data)
				}
				delete(open, record.ID)
			}
			records = partial.Unsettled
		default:
			records = nil
		}
		for id := range open {
			r.acks[id] = true
		}
	}
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzFaulty reads a queue and a stream with any faults. What was called settled
// is, and in the end everything is (P1).
func FuzzFaulty(f *testing.F) {
	f.Add(false, []byte{0, 0, 1, 0, 6, 3, 3, 1, 4, 1, 1, 0, 5, 2, 6, 1})
	f.Add(true, []byte{1, 0, 0, 0, 3, 0, 3, 1, 3, 2, 5, 1, 1, 1, 2, 200})
	for seed := range byte(16) {
		f.Add(seed%2 == 0, noise(seed, 160))
	}
	f.Fuzz(func(t *testing.T, ordered bool, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			const n = 20
			queue := memory.NewQueue(memory.QueueOptions{})
			stream := memory.NewStream(memory.StreamOptions{})
			for i := range n {
				queue.Send(strconv.Itoa(i))
				stream.Put("key", []byte(strconv.Itoa(i)))
			}
			queue.End()
			stream.End()
			source, settled := queue.Source(), queue.Deleted
			if ordered {
				source, settled = stream.Source("app"), func() int { return n - stream.Lag("app") }
			}
			s := &script{data[:min(len(data), 160)]}
			source = Faulty(source, s.fault)
			r := &fuzzRun{t: t, seen: map[string]int{}, acks: map[string]bool{}}
			for r.p == nil {
				r.p, _ = source.Accept(t.Context())
			}
			for {
				buf := make([]sources.Record, 7)
				got, err := r.p.Fetch(t.Context(), buf, time.Minute)
				for i := range buf[:got] {
					r.seen[buf[i].ID]++
				}
				r.settle(buf[:got])
				if settled() < len(r.acks) { // more are: those of answers that were lost
					t.Fatalf("%d settled, told of %d", settled(), len(r.acks))
				}
				if errors.Is(err, sources.ErrEnd) {
					break
				}
			}
			if err := r.p.Close(t.Context()); err != nil && !errors.Is(err, errTest) {
				t.Errorf("Close: %v", err)
			}
			if err := source.Close(t.Context()); err != nil && !errors.Is(err, errTest) {
				t.Errorf("Close: %v", err)
			}
			if settled() != n || len(r.seen) != n {
				t.Errorf("%d settled, %d seen of %d", settled(), len(r.seen), n)
			}
		})
	})
}
