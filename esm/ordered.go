package esm

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// engineBytes is what the engine keeps of a record at most: its place in the inbox, which
// may be twice as long as what it holds, and in the tracker. A record in the hands of a
// lane and its handler has two places there instead.
const engineBytes = 2*recordSize + slotBytes

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
		s.lane.fetch, s.lane.reuses = s.fetch, p.keeper == nil
		if !reads {
			s.inbox.wake = make(chan struct{}, 1)
		}
		o.sublanes = append(o.sublanes, s)
	}
	if reads {
		o.tracker.changed = nil // nobody else makes room
	}
	return o
}

// run serves the partition until it ends or the mapping stops. When it returns
// the position is stored.
func (o *ordered) run() {
	first := o.sublanes[0]
	if first.inbox.running = first.reads; first.reads {
		first.run()
	} else {
		o.readAhead()
	}
	for _, s := range o.sublanes {
		s.inbox.end()
	}
	o.lanes.Wait()
	for _, s := range o.sublanes {
		o.release(s.inbox.rest())
	}
	o.commits.Wait()
}

// readAhead reads for lanes that do not read by themselves, until the partition or the
// mapping ends.
func (o *ordered) readAhead() {
	if first := o.sublanes[0]; o.keeper != nil && first.restore(o.keeper.Window()) {
		first.inbox.running = true
		o.lanes.Go(first.run) // for its window ends also if nothing comes
	}
	for {
		n, err := o.reader.read(o.config.BatchSize*len(o.sublanes), idleWait)
		if err != nil {
			return
		}
		if n == 0 {
			o.reader.shrink() // nothing came for long, or there is no room
		}
	}
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
		record.Expires = time.Time{} // the position is to be stored whatever becomes of the record
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
