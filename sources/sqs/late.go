package sqs

import (
	"errors"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// arrival is what is left of one receive.
type arrival struct {
	records []sources.Record
	at      time.Time
}

// late is what receives brought after their Fetch had left and nobody else waited:
// at its deadline, or because it was cancelled. The next Fetch gets it. It is guarded
// by the partition's mutex.
type late struct {
	whole    bool // FIFO: what came together is handed out together
	arrivals []arrival
	timer    *time.Timer
}

// put adds a copy of an arrival.
func (l *late) put(a arrival) {
	if len(a.records) > 0 {
		a.records = slices.Clone(a.records)
		l.arrivals = append(l.arrivals, a)
	}
}

// take fills buf from the oldest arrivals, or, if they must stay whole, with the
// oldest that fits.
func (l *late) take(buf []sources.Record) int {
	n := 0
	for i := 0; i < len(l.arrivals) && n < len(buf); {
		a := &l.arrivals[i]
		if l.whole && len(a.records) > len(buf) {
			i++
			continue
		}
		got := copy(buf[n:], a.records)
		n += got
		a.records = a.records[got:]
		if len(a.records) == 0 {
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
	var all []sources.Record
	for _, a := range l.arrivals {
		all = append(all, a.records...)
	}
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

// putLate keeps an arrival for the next Fetch. The caller holds the mutex.
func (p *partition) putLate(a arrival, now time.Time) {
	if len(a.records) > 0 {
		p.late.put(a)
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
	p.late.arrivals = slices.DeleteFunc(p.late.arrivals, func(a arrival) bool {
		soonest := slices.MinFunc(a.records, func(a, b sources.Record) int { return a.Expires.Compare(b.Expires) })
		if !soonest.Lasts(now, p.setup.timeout) {
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
func (p *partition) keep(a arrival) {
	kept, err := p.extended(a)
	if len(kept) < len(a.records) {
		p.letGo(a.records, kept, err)
	}
	p.mu.Lock()
	now := time.Now()
	p.putLate(arrival{records: p.hand(kept, false, now), at: a.at}, now)
	closing := p.closing
	p.mu.Unlock()
	if closing {
		p.returnLate()
	}
}

var errNoFetch = errors.New("no Fetch had room for them")

// extended extends an arrival and returns what may be started again. It is not for
// ever: a lane whose handler runs comes back within the time limit, and whatever it
// waits for then ends when its records expire.
func (p *partition) extended(a arrival) ([]sources.Record, error) {
	if time.Since(a.at) > p.setup.timeout+p.setup.life {
		return nil, errNoFetch
	}
	err := p.Extend(p.work, a.records)
	now := time.Now()
	kept := slices.DeleteFunc(slices.Clone(a.records), func(r sources.Record) bool {
		return !r.Lasts(now, p.setup.timeout)
	})
	if p.waiters.whole && len(kept) < len(a.records) {
		return nil, err // what came together stays together
	}
	return kept, err
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
