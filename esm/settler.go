package esm

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// maxSettlements bounds how many calls of one settler are under way.
	maxSettlements = 64
	// spareSettlers is how many workers of a settler stay when there is nothing to do.
	// A new one would have to grow its stack to the depth of a client library.
	spareSettlers = 8
)

// settler settles the records of all lanes of an unordered partition. It gathers them
// into groups of as many as the service takes in one request, and workers settle those
// while the lanes go on to fetch. A lane waits while all workers are busy: a service
// that settles slowly slows the lanes (P7).
//
// Over a network a worker waits for its answer, and the lanes fetch meanwhile. Where the
// processors are what is scarce, each call that is under way besides those of the lanes
// only makes the others later and costs caches. The order of events is the same in both
// cases, so the settler leaves it to the scheduler to tell them apart: it yields where a
// settlement should go first, which costs nothing while a processor is idle.
type settler struct {
	part   *part
	budget *budget
	size   int
	linger time.Duration
	groups chan []sources.Record // to a worker that waits
	spare  chan []sources.Record // buffers for groups
	idle   atomic.Int64          // workers that wait
	lanes  func() int
	lapses sync.WaitGroup
	all    sync.WaitGroup // workers

	mu      sync.Mutex
	workers int
	group   []sources.Record // the one that gathers
	timer   *time.Timer      // ends its wait
}

// newSettler makes a settler for as many lanes as the function tells.
func newSettler(p *part, b *budget, lanes func() int) *settler {
	return &settler{
		part: p, budget: b, lanes: lanes, size: max(p.traits.AckBatch, 1), linger: p.traits.AckLinger,
		groups: make(chan []sources.Record), spare: make(chan []sources.Record, spareSettlers),
	}
}

// add takes records over. Where there are more lanes than processors the others keep
// these busy, and the settlement goes before the lane's next fetch.
func (s *settler) add(records []sources.Record) {
	if s.size == 1 {
		s.settle(records)
		return
	}
	for len(records) > 0 {
		n := min(s.size, len(records))
		s.send(s.gather(records[:n]))
		records = records[n:]
	}
	if s.lanes() > runtime.GOMAXPROCS(0) {
		runtime.Gosched()
	}
}

// gather adds at most as many records as a group has to the one that gathers, and
// returns a group if one is to be settled now.
func (s *settler) gather(records []sources.Record) []sources.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		s.group = s.buffer()
	}
	n := min(s.size-len(s.group), len(records))
	s.group = append(s.group, records[:n]...)
	if len(s.group) < s.size && s.linger > 0 {
		s.arm()
		return nil
	}
	full := s.group
	s.group = nil
	if n < len(records) {
		s.group = append(s.buffer(), records[n:]...)
	}
	s.disarm()
	if s.group != nil {
		s.arm()
	}
	return full
}

func (s *settler) buffer() []sources.Record {
	select {
	case buffer := <-s.spare:
		return buffer
	default:
		return make([]sources.Record, 0, s.size)
	}
}

// arm bounds the wait of the group that gathers.
func (s *settler) arm() {
	if s.timer == nil {
		s.lapses.Add(1)
		s.timer = time.AfterFunc(s.linger, s.lapse)
	}
}

func (s *settler) disarm() {
	if s.timer != nil && s.timer.Stop() {
		s.lapses.Done()
	}
	s.timer = nil
}

// lapse settles a group that did not fill up in time.
func (s *settler) lapse() {
	defer s.lapses.Done()
	s.mu.Lock()
	group := s.group
	s.group, s.timer = nil, nil
	s.mu.Unlock()
	s.send(group)
}

// send hands a group to a worker that waits, or a new one; otherwise it blocks. Before
// there is a new one it yields: a worker that has its answer may need no more than a
// processor to be free again.
func (s *settler) send(group []sources.Record) {
	if group == nil || s.handOver(group) {
		return
	}
	runtime.Gosched()
	if s.handOver(group) {
		return
	}
	if s.hire() {
		s.all.Go(func() { s.work(group) })
		return
	}
	s.groups <- group
}

// handOver hands a group to a worker if one waits.
func (s *settler) handOver(group []sources.Record) bool {
	select {
	case s.groups <- group:
		return true
	default:
		return false
	}
}

func (s *settler) hire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workers == maxSettlements {
		return false
	}
	s.workers++
	return true
}

// work settles a group and those that follow, until there are spare workers enough.
func (s *settler) work(group []sources.Record) {
	for ok := true; ok; {
		s.settle(group)
		clear(group)
		select {
		case s.spare <- group[:0]:
		default:
		}
		group, ok = s.next()
	}
}

func (s *settler) next() ([]sources.Record, bool) {
	if s.idle.Add(1) <= spareSettlers {
		group, ok := <-s.groups
		s.idle.Add(-1)
		return group, ok
	}
	s.idle.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.workers--
	return nil, false
}

func (s *settler) settle(records []sources.Record) {
	if len(records) == 0 {
		return
	}
	s.part.ack(s.part.partition.Ack, records, DeletedEventCount, 1)
	s.budget.free(records)
}

// close settles what gathers and waits until all is done. No lane adds any more.
func (s *settler) close() {
	s.mu.Lock()
	group := s.group
	s.group = nil
	s.disarm()
	s.mu.Unlock()
	s.send(group)
	s.lapses.Wait()
	close(s.groups)
	s.all.Wait()
}
