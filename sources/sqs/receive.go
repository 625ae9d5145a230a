package sqs

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
)

// shortest is how long an empty long poll takes at least, so that a service
// which does not wait is not asked in a loop.
const shortest = time.Second

// share starts receives until they ask for as many places as are wanted in
// line, ten at a time: the surplus is stock for the next fetches. The caller
// holds the mutex.
func (p *partition) share(now time.Time) {
	for p.asked < p.line.wanted {
		places := mostEntries
		if now.Before(p.stock.frugal) {
			places = min(places, p.line.wanted-p.asked)
		}

		p.asked += places
		p.crew.begin(p.work, order{places: places, wait: p.waitSeconds(longestPoll)})
	}
}

// receive makes one call and hands out what it brings.
func (p *partition) receive(o order, call *receipt) {
	began := time.Now()

	p.fill(call, o.places, o.wait)

	out, err := p.source.client.ReceiveMessage(p.work, &call.input, p.source.single...)

	now := time.Now()
	a := arrival{at: now, expires: now.Add(p.life)}

	var repeats []sources.Record

	switch {
	case err != nil:
		err = p.source.failed("ReceiveMessage", err)
	case len(out.Messages) == 0 && o.wait > 0:
		p.pause(shortest - now.Sub(began))
	default:
		a.records = p.records(call.records[:0], out.Messages, a.expires)
		a.records, repeats = p.handled.split(a.records)
	}

	if p.deliver(o, a, err) {
		p.returnLate()
	}

	if len(repeats) > 0 {
		p.source.repeats.Add(uint64(len(repeats)))
		p.deleteAgain(repeats)
	}
}

// receipt is what one receive needs, in one piece of memory that a member of
// the crew uses again and again.
type receipt struct {
	input   sqs.ReceiveMessageInput
	names   [1]types.MessageSystemAttributeName
	all     [1]string
	records [mostEntries]sources.Record
}

// fill asks for all attributes of both kinds (SQS-04).
func (p *partition) fill(c *receipt, places int, wait int32) {
	*c = receipt{
		names: [1]types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		all:   [1]string{"All"},
	}
	c.input = sqs.ReceiveMessageInput{
		QueueUrl:                    p.setup.url,
		MaxNumberOfMessages:         int32(places), //nolint:gosec // at most 10
		MessageAttributeNames:       c.all[:],
		MessageSystemAttributeNames: c.names[:],
		VisibilityTimeout:           p.setup.override,
		WaitTimeSeconds:             wait,
	}
}

// records appends the records of an answer to dst.
func (p *partition) records(dst []sources.Record, messages []types.Message, expires time.Time) []sources.Record {
	if p.heart != nil {
		expires = time.Time{} // extended as long as they are handled
	}

	scratch := p.source.scratch.get()
	defer p.source.scratch.put(scratch)

	for i := range messages {
		r := p.source.record(&messages[i], scratch)
		if r.ID == "" {
			continue // not what the service may send; it keeps the message
		}

		r.Expires = expires
		dst = append(dst, r)
	}

	return dst
}

// deliver ends a receive: its own waiter first, then the line, then stock. It
// tells whether stock is of no use any more.
func (p *partition) deliver(o order, a arrival, err error) (closing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()

	switch {
	case o.own == nil:
		p.asked -= o.places

		if err != nil {
			p.line.fail(err)
		}
	case o.own.waiting:
		n := copy(o.own.buf, a.records)
		a.records = a.records[n:]
		o.own.serve(n, err)
	}

	// In a FIFO queue nobody stands in line.
	a.records = p.line.hand(a.records)
	p.stock.put(a)
	p.line.expire(a.at)
	p.share(a.at)

	return p.closing
}

// returnLate gives back what came while the partition closes.
func (p *partition) returnLate() {
	err := p.giveBack(p.work)
	if err != nil {
		p.source.options.Logger.Warn("messages that came during the stop return later", "queue", p.ID(), "error", err)
	}
}

// pause waits for d or until the partition is cut off.
func (p *partition) pause(d time.Duration) {
	if d <= 0 {
		return
	}

	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-t.C:
	case <-p.work.Done():
	}
}

// deleteAgain deletes messages that were handled before, with their new
// receipt handles. What cannot be deleted now will be at its next delivery.
func (p *partition) deleteAgain(records []sources.Record) {
	ctx, cancel := context.WithTimeout(p.work, p.setup.visibility)
	defer cancel()

	err := p.Ack(ctx, records)
	if err != nil {
		p.source.options.Logger.Warn("delete of messages that were handled before failed again",
			"queue", p.ID(), "messages", len(records), "error", err)
	}
}
