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

// heartbeat extends the visibility timeout of the records that were received and
// not ended yet, in steps, until what was handled when they expire must be deleted.
// A nil one does nothing.
//
// A beat that is under way when its record is released or fails may still hide
// that for one visibility timeout more.
type heartbeat struct {
	partition *partition
	cancel    context.CancelFunc
	done      chan struct{}

	mu    sync.Mutex
	held  map[*types.Message]beating
	added uint64 // records ever
}

// beating is a record with the moment from which on the service extends it no more.
type beating struct {
	record sources.Record
	limit  time.Time
	number uint64 // in the order of their receives
}

// end is when the record is let go.
func (b *beating) end() time.Time { return hiddenUntil(&b.record) }

func startHeartbeat(p *partition) *heartbeat {
	ctx, cancel := context.WithCancel(p.work)
	h := &heartbeat{
		partition: p, cancel: cancel,
		done: make(chan struct{}), held: make(map[*types.Message]beating),
	}
	go h.run(ctx)
	return h
}

// add begins to extend records of a receive.
func (h *heartbeat) add(records []sources.Record, sent time.Time) {
	if h == nil || len(records) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range records {
		h.added++
		h.held[message(&records[i])] = beating{record: records[i], limit: sent.Add(maxVisibility), number: h.added}
	}
}

// extend takes over when records expire, which is no later than the service allows.
func (h *heartbeat) extend(records []sources.Record) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range records {
		if x, ok := h.held[message(&records[i])]; ok {
			if last := x.limit.Add(-margin); records[i].Expires.After(last) {
				records[i].Expires = last
			}
			x.record.Expires = records[i].Expires
			h.held[message(&records[i])] = x
		}
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

// period is the time between beats: a third of the visibility timeout, so that one
// may fail.
func (h *heartbeat) period() time.Duration {
	const beats = 3
	return time.Duration(h.partition.setup.hidden) * time.Second / beats
}

func (h *heartbeat) run(ctx context.Context) {
	defer close(h.done)
	ticker := time.NewTicker(h.period())
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

// beat extends what is due. It ends before the next beat: a call that hangs holds up
// nothing but its own records, until then.
func (h *heartbeat) beat(ctx context.Context, now time.Time) {
	p := h.partition
	records, ends := h.due(now)
	if len(records) == 0 {
		return
	}
	c := p.changes(func(r *sources.Record) int32 { return min(p.setup.hidden, seconds(ends[message(r)].Sub(now))) })
	c.within, c.calls = min(beatTime, h.period()), manyCalls
	c.until = now.Add(c.within)
	err := c.make(ctx, records)
	h.drop(c.stale)
	if err != nil && ctx.Err() == nil {
		p.tell("visibility timeout not extended, the next beat tries again", err)
	}
}

// due is what this beat extends, what was received first at the front, and when each
// is let go. What reached its end is let go now.
func (h *heartbeat) due(now time.Time) ([]sources.Record, map[*types.Message]time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]beating, 0, len(h.held))
	for m, x := range h.held {
		if now.Before(x.end()) {
			all = append(all, x)
		} else {
			delete(h.held, m)
		}
	}
	slices.SortFunc(all, func(a, b beating) int { return cmp.Compare(a.number, b.number) })
	records, ends := make([]sources.Record, len(all)), make(map[*types.Message]time.Time, len(all))
	for i := range all {
		records[i] = all[i].record
		ends[message(&all[i].record)] = all[i].end()
	}
	return records, ends
}
