package sqs

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
)

// heartbeat extends the visibility timeout of the records that were handed out
// and not ended yet. A nil one does nothing.
//
// A beat that is under way when its record is released or fails may still hide
// that for one visibility timeout more.
type heartbeat struct {
	partition *partition
	cancel    context.CancelFunc
	done      chan struct{}

	mu    sync.Mutex
	held  map[*types.Message]held
	added uint64 // records ever
}

// held is a record with the moment from which on it cannot be extended.
type held struct {
	record sources.Record
	until  time.Time
	number uint64 // in the order of their fetches
}

func startHeartbeat(p *partition) *heartbeat {
	ctx, cancel := context.WithCancel(p.work)
	h := &heartbeat{
		partition: p, cancel: cancel,
		done: make(chan struct{}), held: make(map[*types.Message]held),
	}

	go h.run(ctx)

	return h
}

// add begins to extend records.
func (h *heartbeat) add(records []sources.Record) {
	if h == nil || len(records) == 0 {
		return
	}

	until := time.Now().Add(longestVisibility - h.partition.setup.visibility)

	h.mu.Lock()
	defer h.mu.Unlock()

	for i := range records {
		h.added++
		h.held[message(&records[i])] = held{record: records[i], until: until, number: h.added}
	}
}

// drop ends it.
func (h *heartbeat) drop(records []sources.Record) {
	if h == nil {
		return
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	for i := range records {
		delete(h.held, message(&records[i]))
	}
}

// stop ends it for all and returns when no call is under way.
func (h *heartbeat) stop() {
	if h == nil {
		return
	}

	h.cancel()
	<-h.done
}

func (h *heartbeat) run(ctx context.Context) {
	const beats = 3 // in a visibility timeout, so that one may fail

	defer close(h.done)

	ticker := time.NewTicker(h.partition.setup.visibility / beats)
	defer ticker.Stop()

	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.beat(ctx, now)
		}
	}
}

func (h *heartbeat) beat(ctx context.Context, now time.Time) {
	p := h.partition
	length := seconds(p.setup.visibility)

	stale, err := p.hide(ctx, h.due(now), func(*sources.Record) int32 { return length })
	h.drop(stale)

	if err != nil && ctx.Err() == nil {
		p.source.options.Logger.Warn("visibility timeout not extended; the next beat tries again",
			"queue", p.ID(), "error", err)
	}
}

// due is what this beat extends, what was fetched first at the front. What
// reached its 12 hours is let go.
func (h *heartbeat) due(now time.Time) []sources.Record {
	h.mu.Lock()
	defer h.mu.Unlock()

	all := make([]held, 0, len(h.held))

	for m, x := range h.held {
		if now.After(x.until) {
			delete(h.held, m)
		} else {
			all = append(all, x)
		}
	}

	slices.SortFunc(all, func(a, b held) int { return cmp.Compare(a.number, b.number) })

	records := make([]sources.Record, len(all))
	for i := range all {
		records[i] = all[i].record
	}

	return records
}
