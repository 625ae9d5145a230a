package sqs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
)

// Release makes records visible again at once. Records that are no longer the
// mapping's are passed over.
func (p *partition) Release(ctx context.Context, records []sources.Record) error {
	p.heart.drop(records)
	c := p.changes(func(*sources.Record) int32 { return 0 })
	return c.make(ctx, ours(records, time.Now()))
}

// Fail has records come back after the queue's visibility timeout (SQS-44, SQS-81), or,
// with a FailureBackoff, chooses how long they stay away. If they were hidden for no
// longer than that it leaves them alone, as Lambda does, and so it does once the
// permission was denied: then they come back when they expire. The timeout counts from
// now: when SQS began to count, during a long poll, is not known.
func (p *partition) Fail(ctx context.Context, records []sources.Record) error {
	p.heart.drop(records)
	now := time.Now()
	if backoff := p.source.options.FailureBackoff; backoff.Initial > 0 {
		c := p.changes(delays(backoff, p.source.jitter, p.source.queue.FIFO, p.setup.longest(records, now)))
		return c.make(ctx, ours(records, now))
	}
	if time.Duration(p.setup.hidden)*time.Second <= p.setup.queued || p.denied.Load() {
		return nil
	}
	c := p.changes(func(r *sources.Record) int32 { return seconds(min(p.setup.queued, hiddenUntil(r).Sub(now))) })
	err := c.make(ctx, ours(records, now))
	if awscall.IsDenied(err) {
		p.denied.Store(true)
	}
	return err
}

// Extend has records expire as late as if they were received now, and tells the
// heartbeat. See [sources.Extender].
func (p *partition) Extend(ctx context.Context, records []sources.Record) error {
	sent := time.Now()
	expires := sent.Add(p.setup.life)
	c := p.changes(func(*sources.Record) int32 { return p.setup.hidden })
	c.changed = func(r *sources.Record) { r.Expires = expires }
	c.skip = func(r *sources.Record) bool { return !r.Lasts(sent, 0) }
	if slices.ContainsFunc(records, func(r sources.Record) bool { return c.skip(&r) }) {
		c.tell(nil, p.refusedEntry(changeOperation, "its visibility timeout has passed"))
	}
	err := c.make(ctx, records)
	if err == nil && len(c.stale) > 0 {
		err = p.refusedEntry(changeOperation, "its receipt handle is worth nothing any more")
	}
	p.heart.extend(records)
	return err
}

const changeOperation = "ChangeMessageVisibilityBatch"

// changes are the calls that change how long records stay hidden from now on.
type changes struct {
	partition *partition
	seconds   func(*sources.Record) int32
	changed   func(*sources.Record)      // told of each that was changed; may be nil
	skip      func(*sources.Record) bool // leaves some out; may be nil
	within    time.Duration
	until     time.Time // when all of them are to have ended; zero for never
	calls     int

	mu    sync.Mutex
	stale []sources.Record // whose receipt handles are worth nothing any more
	first error            // other than that
}

func (p *partition) changes(seconds func(*sources.Record) int32) *changes {
	return &changes{partition: p, seconds: seconds, within: callTime, calls: fewCalls}
}

// make changes records, ten a call, and returns the first error.
func (c *changes) make(ctx context.Context, records []sources.Record) error {
	inTens(records, c.calls, func(ten []sources.Record) { c.makeTen(ctx, ten) })
	return c.first
}

func (c *changes) tell(stale []sources.Record, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stale = append(c.stale, stale...)
	if c.first == nil {
		c.first = err
	}
}

// change is what one call of ChangeMessageVisibilityBatch needs, in one piece
// of memory.
type change struct {
	input   sqs.ChangeMessageVisibilityBatchInput
	entries [maxEntries]types.ChangeMessageVisibilityBatchRequestEntry
	ids     [maxEntries]string
}

func (c *changes) makeTen(ctx context.Context, ten []sources.Record) {
	var d change
	n := 0
	for i := range ten {
		if c.skip != nil && c.skip(&ten[i]) {
			continue
		}
		d.ids[n] = entryID(i)
		d.entries[n].Id = &d.ids[n]
		d.entries[n].ReceiptHandle = message(&ten[i]).ReceiptHandle
		d.entries[n].VisibilityTimeout = c.seconds(&ten[i])
		n++
	}
	if n == 0 {
		return
	}
	p := c.partition
	d.input = sqs.ChangeMessageVisibilityBatchInput{QueueUrl: p.setup.url, Entries: d.entries[:n]}
	within := c.within
	if !c.until.IsZero() {
		within = min(within, time.Until(c.until))
	}
	if within <= 0 {
		c.tell(nil, p.refusedEntry(changeOperation, "others took the time of this beat"))
		return
	}
	out, err := awscall.Do(ctx, within, p.source.client.ChangeMessageVisibilityBatch, &d.input, p.source.single...)
	if err != nil {
		c.tell(nil, p.source.failed(changeOperation, err))
		return
	}
	c.read(out, ten)
}

// read notes what an answer says of each entry.
func (c *changes) read(out *sqs.ChangeMessageVisibilityBatchOutput, ten []sources.Record) {
	for i := range out.Successful {
		if at := place(out.Successful[i].Id, len(ten)); at >= 0 && c.changed != nil {
			c.changed(&ten[at])
		}
	}
	for i := range out.Failed {
		entry := &out.Failed[i]
		at := place(entry.Id, len(ten))
		if at >= 0 && isStale(entry) {
			c.tell(ten[at:at+1], nil)
		} else {
			c.tell(nil, c.partition.refusedEntry(changeOperation, deref(entry.Code)))
		}
	}
}

// ours returns those of records that are the mapping's still: records itself if all
// of them are.
func ours(records []sources.Record, now time.Time) []sources.Record {
	gone := func(r sources.Record) bool { return !r.Lasts(now, 0) }
	if !slices.ContainsFunc(records, gone) {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), gone)
}

// hiddenUntil is when a record's message comes back that nobody changes or deletes.
func hiddenUntil(r *sources.Record) time.Time { return r.Expires.Add(margin) }

// longest is how long all of records may be hidden from now on: the service counts its
// 12 hours from the receive.
func (s *setup) longest(records []sources.Record, now time.Time) time.Duration {
	longest := maxVisibility
	for i := range records {
		received := records[i].Expires.Add(-s.life)
		longest = min(longest, received.Add(maxVisibility-callTime).Sub(now))
	}
	return max(longest, 0)
}
