package sqs

import (
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// late is what receives brought after their Fetch had left and nobody else waited:
// at its deadline, or because it was cancelled. The next Fetch gets it. It is guarded
// by the partition's mutex.
type late struct {
	whole    bool // FIFO: what came together is handed out together
	arrivals [][]sources.Record
	timer    *time.Timer
}

// put adds a copy of records.
func (l *late) put(records []sources.Record) {
	if len(records) > 0 {
		l.arrivals = append(l.arrivals, slices.Clone(records))
	}
}

// take fills buf from the oldest arrivals, or, if they must stay whole, with the
// oldest that fits.
func (l *late) take(buf []sources.Record) int {
	n := 0
	for i := 0; i < len(l.arrivals) && n < len(buf); {
		a := l.arrivals[i]
		if l.whole && len(a) > len(buf) {
			i++
			continue
		}
		got := copy(buf[n:], a)
		n += got
		l.arrivals[i] = a[got:]
		if got == len(a) {
			l.arrivals = slices.Delete(l.arrivals, i, i+1)
		}
		if l.whole {
			break
		}
	}
	return n
}

// empty takes everything.
func (l *late) empty() []sources.Record {
	all := slices.Concat(l.arrivals...)
	l.arrivals = nil
	if l.timer != nil {
		l.timer.Stop()
	}
	return all
}

// takeLate fills buf with what came late and may be started.
func (p *partition) takeLate(buf []sources.Record, now time.Time) int {
	if len(p.late.arrivals) == 0 {
		return 0
	}
	p.sweep(now)
	return p.late.take(buf)
}

// putLate keeps records for the next Fetch. The caller holds the mutex.
func (p *partition) putLate(records []sources.Record, now time.Time) {
	if len(records) > 0 {
		p.late.put(records)
		p.sweep(now)
	}
}

// sweep has the arrivals kept longer that are about to be worth nothing, and sets
// the timer to the next. The caller holds the mutex.
func (p *partition) sweep(now time.Time) {
	if p.closing {
		return // all is given back
	}
	var next time.Time
	p.late.arrivals = slices.DeleteFunc(p.late.arrivals, func(a []sources.Record) bool {
		soonest := slices.MinFunc(a, func(a, b sources.Record) int { return a.Expires.Compare(b.Expires) })
		if p.setup.standing(&soonest, now) != fresh {
			p.pool.Do(request{keep: a})
			return true
		}
		if until := soonest.Expires.Add(-p.setup.timeout); next.IsZero() || until.Before(next) {
			next = until
		}
		return false
	})
	if next.IsZero() {
		return
	}
	d := next.Sub(now) + 1 // just past it
	if p.late.timer == nil {
		p.late.timer = time.AfterFunc(d, p.swept)
	} else {
		p.late.timer.Reset(d)
	}
}

func (p *partition) swept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(time.Now())
}

// keep keeps records longer that came late and wait for a Fetch: were they given
// back, the queue would count a receive that started nothing, and might take them for
// poison. What cannot be kept is given back, and told.
func (p *partition) keep(records []sources.Record) {
	err := p.Extend(p.work, records)
	now := time.Now()
	kept := slices.DeleteFunc(slices.Clone(records), func(r sources.Record) bool {
		return p.setup.standing(&r, now) != fresh
	})
	if p.waiters.whole && len(kept) < len(records) {
		kept = nil // what came together stays together
	}
	if len(kept) < len(records) {
		p.letGo(records, kept, err)
	}

	p.mu.Lock()
	p.putLate(p.hand(kept, false, now), now)
	closing := p.closing
	p.mu.Unlock()
	if closing {
		p.returnLate()
	}
}

// letGo gives back those of records that were not kept.
func (p *partition) letGo(records, kept []sources.Record, cause error) {
	left := slices.DeleteFunc(slices.Clone(records), func(r sources.Record) bool {
		return slices.ContainsFunc(kept, func(k sources.Record) bool { return k.Native == r.Native })
	})
	back := p.Release(p.work, left)
	p.setup.logger.Warn("messages were received and not started in time: they are the queue's again",
		"queue", p.ID(), "messages", len(left), "error", cause, "given back", back == nil)
}
