package sqstest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHeap compares the heap with a sorted list.
func TestHeap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	h := heap[*message]{less: byArrival}
	var all []*message
	for i := range 5_000 {
		if len(all) == 0 || random.IntN(5) < 3 {
			m := &message{seq: random.Uint64()}
			h.push(m)
			at, _ := slices.BinarySearchFunc(all, m, func(a, b *message) int {
				if byArrival(a, b) {
					return -1
				}
				return 1
			})
			all = slices.Insert(all, at, m)
		} else {
			at := random.IntN(len(all))
			h.remove(all[at])
			all = slices.Delete(all, at, at+1)
		}
		if h.len() != len(all) || h.len() > 0 && h.top() != all[0] {
			t.Fatalf("step %d: the heap has %d elements and not the least on top, want %d", i, h.len(), len(all))
		}
	}
}
