package esm

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// engineBytes is what the engine keeps of a record besides what its source does, at
// most: its place in an inbox, which may be twice as long as what it holds, and in the
// tracker's rings.
const engineBytes = 2*recordSize + 2*slotBytes

// ordered serves a partition whose records are settled by position. One
// goroutine reads ahead; sub-lanes, chosen by partition key, handle the records
// and do not wait for each other; the position follows the first unfinished
// record. Of a source that reads ahead by itself the only lane reads too.
type ordered struct {
	*part
	tracker  *tracker
	reader   reader
	sublanes []*sublane
	lanes    sync.WaitGroup
	counts   []int   // how many records of a fetch go to each sub-lane
	places   []uint8 // and to which one each of them does

	mu         sync.Mutex
	committing bool
	window     []byte // to be stored with the position
	windowed   bool   // it was not yet
	commits    sync.WaitGroup
}

func newOrdered(p *part) *ordered {
	o := &ordered{part: p, tracker: newTracker(max(p.traits.RecordBytes, engineBytes))}
	o.reader = reader{parent: o, places: 1} // an idle partition needs no more
	reads := p.traits.ReadsAhead && p.config.ParallelizationFactor == 1 && p.keeper == nil
	for range p.config.ParallelizationFactor {
		s := &sublane{lane: p.newLane(), parent: o, reads: reads}
		s.lane.fetch, s.lane.reuses = s.fetch, true
		if !reads {
			s.inbox.wake = make(chan struct{}, 1)
		}
		o.sublanes = append(o.sublanes, s)
	}
	return o
}

// only is the one sub-lane; nil if there are several.
func (o *ordered) only() *sublane {
	if len(o.sublanes) == 1 {
		return o.sublanes[0]
	}
	return nil
}

// run serves the partition until it ends or the mapping stops. When it returns
// the position is stored.
func (o *ordered) run() {
	first := o.sublanes[0]
	switch {
	case first.reads:
		first.inbox.running = true
		first.run()
	default:
		if o.keeper != nil && first.restore(o.keeper.Window()) {
			o.push(first, 0) // for its window ends also if nothing comes
		}
		for err := error(nil); err == nil; {
			_, err = o.reader.read(o.config.BatchSize*len(o.sublanes), idleWait)
		}
		for _, s := range o.sublanes {
			s.inbox.end()
		}
		o.lanes.Wait()
	}
	for _, s := range o.sublanes {
		o.release(s.inbox.rest())
	}
	o.commits.Wait()
}

// awaitRoom waits until more may be read, and returns how many records; 0 if that is
// not so within the wait.
func (o *ordered) awaitRoom(wait time.Duration) int {
	if room := o.roomAhead(); room > 0 || wait <= 0 {
		return room
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-o.soft.Done():
			return 0
		case <-timer.C:
			return 0
		case <-o.tracker.changed:
			if room := o.roomAhead(); room > 0 {
				return room
			}
		}
	}
}

// roomAhead is how many records more may be read: several batches for each sub-lane,
// so that one that is held up by a bad record does not stop the others soon, but no
// more bytes than are configured. A single record may always be read.
func (o *ordered) roomAhead() int {
	const batches = 10
	records, bytes := o.tracker.open()
	limit := o.config.BatchSize * len(o.sublanes) * batches
	left := o.config.MaximumBufferedBytes - bytes
	switch {
	case bytes == 0:
		left = max(left, 0)
	case records >= limit || left <= 0:
		return 0
	}
	return min(limit-records, left/o.tracker.each+1)
}

// route hands records that were fetched to their sub-lanes.
func (o *ordered) route(records []sources.Record) {
	if len(records) == 0 {
		return
	}
	if only := o.only(); only != nil {
		o.push(only, len(records)) // they are in its inbox already
		return
	}
	if o.counts == nil {
		o.counts = make([]int, len(o.sublanes))
	}
	clear(o.counts)
	o.places = o.places[:0]
	for i := range records {
		place := hash(records[i].Key) % uint64(len(o.sublanes))
		o.places = append(o.places, uint8(place)) //nolint:gosec // there are at most ten
		o.counts[place]++
	}
	for place, s := range o.sublanes {
		if n := o.counts[place]; n > 0 {
			room := s.inbox.room(n)[:0]
			for i := range records {
				if int(o.places[i]) == place {
					room = append(room, records[i])
				}
			}
			o.push(s, n)
		}
	}
	clear(records)
}

// hash is FNV-1a. All keys of a shard may share the top bits of their MD5, so a key is
// hashed anew (KIN-103).
func hash(key string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(key) {
		sum = (sum ^ uint64(key[i])) * 1099511628211
	}
	return sum
}

// push tells a sub-lane of n records more in its inbox.
func (o *ordered) push(s *sublane, n int) {
	if s.inbox.push(n) {
		o.lanes.Go(s.run)
	}
}

// finished counts records as finished and stores the position if it moved.
func (o *ordered) finished(records []sources.Record) {
	if !o.tracker.finish(records) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.startCommit()
}

// finishedWindow is finished that has the state of the open window stored with
// the position, in one piece; nil for no open window.
func (o *ordered) finishedWindow(records []sources.Record, window []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tracker.finish(records)
	o.window, o.windowed = window, true
	o.startCommit()
}

// startCommit has the position stored, if nobody does already. The caller holds mu.
func (o *ordered) startCommit() {
	if !o.committing {
		o.committing = true
		o.commits.Go(o.commit)
	}
}

// commit stores the position until it does not move any more. It runs beside
// the sub-lanes, which do not wait for it.
func (o *ordered) commit() {
	for {
		o.mu.Lock()
		record, count := o.tracker.take()
		if count == 0 && !o.windowed {
			o.committing = false
			o.mu.Unlock()
			return
		}
		window := o.window
		o.windowed = false
		o.mu.Unlock()
		settle := o.partition.Ack
		if o.keeper != nil {
			settle = func(ctx context.Context, records []sources.Record) error {
				return o.keeper.AckWindow(ctx, records, window)
			}
		}
		records := []sources.Record{record}
		if count == 0 {
			records = nil
		}
		o.ack(settle, records, CommittedEventCount, count)
	}
}
