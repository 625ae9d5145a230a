package sqs

import (
	"slices"
	"strings"
	"sync"

	"github.com/openesm/openesm/sources"
)

// mostHandled bounds [handled]: about a megabyte.
const mostHandled = 10_000

// handled is the ids of messages that were handled with success but whose
// delete was not confirmed. If one is delivered again, only its delete is left
// to do. It remembers the latest. The zero value is ready.
type handled struct {
	mu   sync.Mutex
	ids  map[string]struct{}
	ring []string // ids in the order they came; some were forgotten since
	next int      // place of the ring that is overwritten next
}

// update forgets records but remembers those of them that are left.
func (h *handled) update(records []sources.Record, left ...[]sources.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if len(h.ids) > 0 {
		for i := range records {
			delete(h.ids, records[i].ID)
		}
	}

	for _, some := range left {
		for i := range some {
			h.remember(some[i].ID)
		}
	}
}

func (h *handled) remember(id string) {
	if h.ids == nil {
		h.ids = make(map[string]struct{})
	}

	id = strings.Clone(id) // not the answer it is part of

	if len(h.ring) < mostHandled {
		h.ring = append(h.ring, id)
	} else {
		delete(h.ids, h.ring[h.next])
		h.ring[h.next] = id
		h.next = (h.next + 1) % mostHandled
	}

	h.ids[id] = struct{}{}
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
