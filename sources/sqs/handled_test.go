package sqs

import (
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources"
)

func TestHandledIsBounded(t *testing.T) {
	t.Parallel()
	var h handled
	record := func(i int) []sources.Record { return []sources.Record{{ID: strconv.Itoa(i)}} }
	for i := range maxHandled + 5 {
		h.update(record(i), record(i))
	}
	for i, known := range map[int]bool{0: false, 4: false, 5: true, maxHandled + 4: true, maxHandled + 5: false} {
		fresh, repeats := h.split(record(i))
		if (len(repeats) == 1) != known || (len(fresh) == 1) == known {
			t.Errorf("%d: fresh %v, repeats %v, want known %t", i, fresh, repeats, known)
		}
	}
	if len(h.ids) > maxHandled || len(h.ring) != maxHandled {
		t.Errorf("remembers %d ids in %d places", len(h.ids), len(h.ring))
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]int{"0": 0, "4": 4, "5": -1, "": -1, "00": -1, "x": -1, "/": -1} {
		if got := place(&id, 5); got != want {
			t.Errorf("place(%q) = %d, want %d", id, got, want)
		}
	}
	if got := place(nil, 5); got != -1 {
		t.Errorf("place(nil) = %d", got)
	}
}
