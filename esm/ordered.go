package esm

import (
	"context"
	"sync"

	"github.com/openesm/openesm/sources"
)

// ordered serves a partition whose records are settled by position. One
// goroutine reads ahead; sub-lanes, chosen by partition key, handle the records
// and do not wait for each other; the position follows the first unfinished
// record.
type ordered struct {
	*part
	tracker  *tracker
	sublanes []*sublane
	direct   *sublane // reads by itself, instead of sublanes; or nil
	lanes    sync.WaitGroup
	filtered []sources.Record // of route alone

	mu         sync.Mutex
	committing bool
	window     []byte // to be stored with the position
	windowed   bool   // it was not yet
	commits    sync.WaitGroup
}

func newOrdered(p *part) *ordered {
	o := &ordered{part: p}
	if p.traits.ReadsAhead && p.config.ParallelizationFactor == 1 && p.keeper == nil {
		s := &sublane{lane: p.newLane(), parent: o}
		s.lane.fetch, s.lane.reuses = s.fetchDirect, true
		o.direct, o.tracker = s, new(tracker) // nobody waits for room
		return o
	}
	o.tracker = newTracker()
	for range p.config.ParallelizationFactor {
		s := &sublane{lane: p.newLane(), parent: o, inbox: newInbox()}
		s.lane.fetch = s.fetch
		o.sublanes = append(o.sublanes, s)
	}
	return o
}

// run serves the partition until it ends or the mapping stops. When it returns
// the position is stored.
func (o *ordered) run() {
	if o.direct != nil {
		o.direct.run()
		o.commits.Wait()
		return
	}
	if s := o.sublanes[0]; o.keeper != nil && s.restore(o.keeper.Window()) {
		o.push(s, nil) // for its window ends also if nothing comes
	}
	o.read()
	for _, s := range o.sublanes {
		s.inbox.end()
	}
	o.lanes.Wait()
	for _, s := range o.sublanes {
		o.release(s.inbox.rest())
	}
	o.commits.Wait()
}

// read reads records and hands them to their sub-lanes.
func (o *ordered) read() {
	most := o.config.BatchSize * len(o.sublanes)
	buf := make([]sources.Record, 1) // an idle partition needs no more
	failures := 0
	for {
		room := o.awaitRoom(len(buf))
		if room == 0 {
			return
		}
		n, err := o.fetch(buf[:room], idleWait, &failures)
		if n > 0 {
			o.tracker.add(buf[:n])
			o.route(buf[:n])
			clear(buf[:n])
		}
		if err != nil {
			return
		}
		if n == len(buf) && n < most {
			buf = make([]sources.Record, min(8*n, most))
		}
	}
}

// awaitRoom waits until reading may go on, and returns how many records to
// read at most; 0 when it may not go on any more.
func (o *ordered) awaitRoom(most int) int {
	limit := o.readAhead()
	for o.soft.Err() == nil {
		records, bytes := o.tracker.open()
		if records == 0 || records < limit && bytes < o.config.MaximumBufferedBytes {
			return min(most, limit-records)
		}
		select {
		case <-o.soft.Done():
		case <-o.tracker.changed:
		}
	}
	return 0
}

// readAhead is how many records may be open: several batches for each sub-lane,
// so that one that is held up by a bad record does not stop the others soon.
func (o *ordered) readAhead() int {
	const batches = 10
	return o.config.BatchSize * len(o.sublanes) * batches
}

// route hands records to their sub-lanes, and finishes those that the filter
// rejects.
func (o *ordered) route(records []sources.Record) {
	records = records[:o.sift(records)]
	if len(records) > 0 && len(o.sublanes) == 1 {
		o.push(o.sublanes[0], records)
		return
	}
	for i := range records {
		o.push(o.sublane(records[i].Key), records[i:i+1])
	}
}

// sift moves the records that pass the filter to the front, and returns how many
// those are. It finishes the others.
func (o *ordered) sift(records []sources.Record) int {
	if o.filter == nil {
		return len(records)
	}
	var kept int
	kept, o.filtered = o.separate(records, o.filtered[:0])
	o.finished(o.filtered)
	clear(o.filtered)
	return kept
}

// sublane is the one that handles the records of key. All keys of a shard may
// share the top bits of their MD5, so the key is hashed anew (KIN-103).
func (o *ordered) sublane(key string) *sublane {
	if len(o.sublanes) == 1 {
		return o.sublanes[0]
	}
	return o.sublanes[hash(key)%uint64(len(o.sublanes))]
}

// hash is FNV-1a.
func hash(key string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(key) {
		sum = (sum ^ uint64(key[i])) * 1099511628211
	}
	return sum
}

func (o *ordered) push(s *sublane, records []sources.Record) {
	if s.inbox.push(records...) {
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
