package esm

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// settlements bounds how many calls of one settler are under way.
	settlements = 64
	// spares is how many goroutines of a settler stay when there is nothing to
	// do. A new one would have to grow its stack to the depth of a client
	// library each time.
	spares = 4
	// nearby is how fast a settlement must be for a lane to wait for it where
	// the lanes keep every processor busy: there the hand-over to another
	// goroutine costs more than it wins.
	nearby = 4 * time.Millisecond
)

// settler settles the records of all lanes of an unordered partition. It
// gathers them to as many as the service takes in one request, and settles
// while the lanes go on to fetch.
type settler struct {
	part   *part
	size   int
	linger time.Duration
	lanes  func() int
	// near says that the last settlement was fast.
	near atomic.Bool

	mu      sync.Mutex
	pending []sources.Record
	// due is how many of pending, from the first, waited long enough: they are
	// settled even if their group is not full.
	due    int
	closed bool
	timer  *time.Timer
	// active counts the goroutines, idle those that wait for work and were not
	// woken, starting the groups that were assigned and not taken yet.
	active, idle, starting int
	work, space            *sync.Cond
	wg                     sync.WaitGroup
}

// newSettler makes a settler for as many lanes as the function tells.
func newSettler(p *part, lanes func() int) *settler {
	s := &settler{part: p, lanes: lanes, size: max(p.traits.AckBatch, 1), linger: p.traits.AckLinger}
	s.work, s.space = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	return s
}

// add takes records over. It blocks while too many are pending: a service that
// settles slowly slows the lanes (P7).
func (s *settler) add(records []sources.Record) {
	if len(records) == 0 {
		return
	}
	if s.size == 1 || len(records) >= s.size && s.near.Load() && s.lanes() > runtime.GOMAXPROCS(0) {
		s.settle(records)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(records) > 0 {
		free := s.size*settlements - len(s.pending)
		if free == 0 {
			s.space.Wait()
			continue
		}
		n := min(free, len(records))
		s.pending = append(s.pending, records[:n]...)
		records = records[n:]
		s.launch()
	}
	s.arm()
}

// arm bounds the wait of a group that is not full.
func (s *settler) arm() {
	if s.linger > 0 && len(s.pending) > s.due && s.timer == nil {
		s.timer = time.AfterFunc(s.linger, s.lapse)
	}
}

// lapse ends the wait of a group that did not fill up.
func (s *settler) lapse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	s.due = len(s.pending)
	s.launch()
}

// launch assigns groups to idle goroutines and to new ones.
func (s *settler) launch() {
	for s.ready() {
		switch {
		case s.idle > 0:
			s.idle--
			s.work.Signal()
		case s.active < settlements:
			s.active++
			s.wg.Go(s.run)
		default:
			return // those at work look again when they are done
		}
		s.starting++
	}
}

// ready reports whether there is a group to settle beside those that starting
// goroutines will take.
func (s *settler) ready() bool {
	left := len(s.pending) - s.starting*s.size
	return left >= s.size || left > 0 && (s.starting*s.size < s.due || s.closed || s.linger == 0)
}

// run settles groups until the settler closes, or there are spares enough.
func (s *settler) run() {
	group := make([]sources.Record, 0, s.size)
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.idle < spares || s.starting > 0 {
		for s.starting == 0 && !s.ready() && !s.closed {
			s.idle++
			s.work.Wait() // and who wakes it counts it off
		}
		if s.starting > 0 {
			s.starting--
		} else if !s.ready() {
			break
		}
		for s.ready() {
			group = s.take(group)
			s.mu.Unlock()
			s.settle(group)
			s.mu.Lock()
		}
		clear(group)
		s.arm()
	}
	s.active--
}

func (s *settler) settle(records []sources.Record) {
	start := time.Now()
	s.part.ack(s.part.partition.Ack, records, DeletedEventCount, 1)
	s.near.Store(time.Since(start) < nearby)
}

// take takes a group.
func (s *settler) take(group []sources.Record) []sources.Record {
	n := min(s.size, len(s.pending))
	group = append(group[:0], s.pending[:n]...)
	rest := copy(s.pending, s.pending[n:])
	clear(s.pending[rest:])
	s.pending = s.pending[:rest]
	s.due = max(s.due-n, 0)
	s.space.Broadcast()
	return group
}

// close settles what is pending and waits until all is done.
func (s *settler) close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.launch()
	s.idle = 0
	s.work.Broadcast()
	s.mu.Unlock()
	s.wg.Wait()
}
