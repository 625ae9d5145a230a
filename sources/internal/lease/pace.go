package lease

import (
	"context"
	"errors"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// progress is how far a shard is settled, and the state of its open window.
type progress struct {
	position checkpoint.Position
	window   []byte
}

// onto puts the progress into a lease; nil changes nothing.
func (p *progress) onto(l *checkpoint.Lease) {
	if p != nil {
		l.Position, l.Window = p.position, p.window
	}
}

// pace is how long a store wants to be left alone between two positions of a shard.
func pace(store checkpoint.Store) time.Duration {
	paced, ok := store.(checkpoint.Paced)
	if _, exclusive := store.(checkpoint.Exclusive); !ok || exclusive {
		return 0
	}
	return max(paced.Interval(), 0)
}

// postpone has the next write of the lease store the progress, with a store that is
// paced, and reports whether that is soon enough: the last write is not long ago, and
// there is no doubt of it. A write that failed is no write: while the store is down each
// Commit is told so.
func (h *Held) postpone(p *progress) bool {
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pace == 0 || h.gone {
		return false
	}
	due := h.since.Add(m.pace)
	if h.unstored == nil && due.Before(m.wakes) {
		signal(m.keepSoon)
	}
	h.unstored = p
	return h.doubt.IsZero() && time.Now().Before(due)
}

// flush makes a write that is the last one. If there is progress that was not stored it
// is tried until it is, or ctx is done, or the lease is lost.
func (h *Held) flush(ctx context.Context, change func(*checkpoint.Lease)) error {
	for failures := 1; ; failures++ {
		err := h.write(ctx, change)
		if err == nil || errors.Is(err, sources.ErrLost) || !h.isUnstored() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(flushBackoff().Delay(failures, h.m.options.Jitter())):
		}
	}
}

func flushBackoff() retry.Backoff {
	return retry.Backoff{Initial: 100 * time.Millisecond, Max: 2 * time.Second}
}

// isUnstored reports whether there is progress that the store does not know.
func (h *Held) isUnstored() bool {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return h.unstored != nil
}
