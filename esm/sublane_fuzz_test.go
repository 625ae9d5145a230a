package esm

import (
	"testing"

	"github.com/openesm/openesm/sources"
)

// FuzzSplit holds the order of a batch after a partial failure to KIN-151 and KAF-67:
// what is finished comes first, and both parts keep their order. A byte of marks that
// is odd is a record that failed; the first one always did.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{1}, true)
	f.Add([]byte{0, 1, 0, 1, 1, 0}, true)
	f.Add([]byte{0, 0, 1, 0}, false)
	f.Fuzz(func(t *testing.T, marks []byte, named bool) {
		s := &sublane{parent: &ordered{part: &part{Mapping: &Mapping{}}}}
		s.parent.traits.RetryNamed = named
		var finished, open []uint64
		batch := make([]sources.Record, len(marks)+1)
		for i := range batch {
			batch[i].Offset = uint64(i)
			failed := i == len(marks) && len(open) == 0 || i < len(marks) && marks[i]%2 == 1
			s.failed = append(s.failed, failed)
			if failed || !named && len(open) > 0 {
				open = append(open, uint64(i))
			} else {
				finished = append(finished, uint64(i))
			}
		}
		if n := s.split(batch); n != len(finished) {
			t.Fatalf("%v: %d finished, want %d", s.failed, n, len(finished))
		}
		for i, want := range append(finished, open...) {
			if batch[i].Offset != want {
				t.Fatalf("%v: place %d has record %d, want %d", s.failed, i, batch[i].Offset, want)
			}
		}
	})
}
