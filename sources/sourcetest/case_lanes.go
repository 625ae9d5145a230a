package sourcetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	lanes       = 4
	laneRecords = 100
)

func concurrentLanes(p *probe) {
	r := p.open()
	defer r.close()
	bodies := r.send(laneRecords)
	shared := &laneGroup{from: r.parts[0], wait: p.harness.quiet(), until: time.Now().Add(p.harness.Patience)}
	var group sync.WaitGroup
	for range lanes {
		group.Go(func() { shared.run(p.ctx) })
	}
	group.Wait()
	if shared.err != nil {
		p.brokenf("Fetch or Ack: %v, from a source without faults", shared.err)
	}
	r.exactly(shared.got, bodies)
}

// laneGroup is what lanes have in common. They do not use the checks of
// reader.fetch, which end the case and so are for its own goroutine only.
type laneGroup struct {
	from  *part
	wait  time.Duration
	until time.Time

	mu  sync.Mutex
	got []taken
	err error
}

func (l *laneGroup) run(ctx context.Context) {
	for time.Now().Before(l.until) {
		buf := make([]sources.Record, defaultBatch)
		n, err := l.from.Fetch(ctx, buf, l.wait)
		if n > 0 {
			err = errors.Join(err, l.from.Ack(ctx, buf[:n]))
		}
		if l.add(buf[:n], err) {
			return
		}
	}
}

// add keeps what a lane got, and tells whether it is enough.
func (l *laneGroup) add(records []sources.Record, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, record := range records {
		l.got = append(l.got, taken{Record: record, from: l.from})
	}
	l.err = errors.Join(l.err, err)
	return len(l.got) >= laneRecords || err != nil
}
