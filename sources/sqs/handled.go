package sqs

import (
	"slices"
	"strings"
	"sync"

	"github.com/openesm/openesm/sources"
)

// maxHandled bounds [handled]: about a megabyte.
const maxHandled = 10_000

// handled is the ids of messages that were handled with success but whose
// delete was not confirmed. If one is delivered again, only its delete is left
// to do. It remembers the latest. The zero value is ready.
type handled struct {
	mu   sync.Mutex
	ids  map[string]int // places in the ring
	ring []string       // ids in the order they came; some were forgotten since
	next int            // place of the ring that is overwritten next
}

// update forgets records but remembers those of them that are left.
func (h *handled) update(records []sources.Record, left ...[]sources.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kept map[string]bool
	for _, some := range left {
		if kept == nil && len(some) > 0 {
			kept = make(map[string]bool)
		}
		for i := range some {
			h.remember(some[i].ID)
			kept[some[i].ID] = true
		}
	}
	if len(h.ids) == len(kept) {
		return // nothing else is known
	}
	for i := range records {
		if !kept[records[i].ID] {
			delete(h.ids, records[i].ID)
		}
	}
}

// remember adds an id. One that is known keeps its place: its delete failed
// again, as it does all through an outage.
func (h *handled) remember(id string) {
	if _, known := h.ids[id]; known {
		return
	}
	if h.ids == nil {
		h.ids = make(map[string]int)
	}
	id = strings.Clone(id) // not the answer it is part of
	at := len(h.ring)
	if at < maxHandled {
		h.ring = append(h.ring, id)
	} else {
		at = h.next
		if old := h.ring[at]; h.ids[old] == at { // else it was forgotten, and came again since
			delete(h.ids, old)
		}
		h.ring[at] = id
		h.next = (at + 1) % maxHandled
	}
	h.ids[id] = at
}

// split takes the records that were handled before out of records, which it
// reuses.
func (h *handled) split(records []sources.Record) (fresh, repeats []sources.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.ids) == 0 {
		return records, nil
	}
	fresh = slices.DeleteFunc(records, func(r sources.Record) bool {
		_, known := h.ids[r.ID]
		if known {
			repeats = append(repeats, r)
		}
		return known
	})
	return fresh, repeats
}
