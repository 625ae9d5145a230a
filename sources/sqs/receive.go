package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
)

// shortest is the shortest long poll. An empty one takes at least as long, so that a
// service which does not wait is not asked in a loop.
const shortest = time.Second

// receipt is what one receive needs, in one piece of memory that a goroutine of the
// pool uses again and again.
type receipt struct {
	input   sqs.ReceiveMessageInput
	names   [1]types.MessageSystemAttributeName
	all     [1]string
	records [maxEntries]sources.Record
}

// do does what a goroutine of the pool is there for.
func (p *partition) do(r request, c *receipt) {
	if len(r.keep.records) > 0 {
		p.keep(r.keep)
		return
	}
	p.receive(r, c)
	clear(c.records[:]) // they are somebody else's now
}

// receive makes one call and hands out what it brings.
func (p *partition) receive(r request, c *receipt) {
	sent := time.Now()
	messages, err := p.ask(r, c)
	records := p.records(c.records[:0], messages, sent.Add(p.setup.life))
	good := len(records)
	if err == nil && good == 0 && r.wait > 0 {
		_ = rest(p.work, shortest-time.Since(sent))
	}
	if len(records) < len(messages) {
		p.tell("passed over", fmt.Errorf("sqs: ReceiveMessage on queue %s: "+
			"%d messages have no ID or no receipt handle: they come back", p.ID(), len(messages)-len(records)))
	}
	records, repeats := p.handled.split(records)
	p.heart.add(records, sent)
	told, closing := p.deliver(r, records, outcome{sent: sent, messages: good, err: err})
	if !told {
		p.tell("nobody waits for this receive any more", err)
	}
	if closing {
		p.returnLate()
	}
	if len(repeats) > 0 {
		p.source.repeats.Add(uint64(len(repeats)))
		p.deleteAgain(repeats)
	}
}

// ask makes the call.
func (p *partition) ask(r request, c *receipt) ([]types.Message, error) {
	p.fill(c, r.places, r.wait)
	within := time.Duration(r.wait)*time.Second + receiveTime
	out, err := awscall.Do(p.work, within, p.source.client.ReceiveMessage, &c.input, p.source.single...)
	if err != nil {
		return nil, p.source.failed("ReceiveMessage", err)
	}
	return out.Messages, nil
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
		VisibilityTimeout:           p.setup.hidden,
		WaitTimeSeconds:             wait,
	}
}

// records appends the records of an answer to dst. What has no ID, or no handle to
// delete it with, is not what the service may send: it keeps the message.
func (p *partition) records(dst []sources.Record, messages []types.Message, expires time.Time) []sources.Record {
	if len(messages) == 0 {
		return dst
	}
	scratch := p.source.scratch.get()
	defer p.source.scratch.put(scratch)
	var oldest time.Time
	for i := range messages {
		if deref(messages[i].MessageId) == "" || deref(messages[i].ReceiptHandle) == "" {
			continue
		}
		r := p.source.record(&messages[i], scratch)
		r.Expires = expires
		if oldest.IsZero() || !r.Time.IsZero() && r.Time.Before(oldest) {
			oldest = r.Time
		}
		dst = append(dst, r)
	}
	if !oldest.IsZero() {
		p.source.backlog.received(time.Since(oldest))
	}
	return dst
}

// outcome is how a receive ended.
type outcome struct {
	sent     time.Time
	messages int // that it brought
	err      error
}

// deliver ends a receive: its own waiter gets the records first, then those that
// share, then the next Fetch. It tells whether an error was told to somebody, and
// whether what is left is to be given back.
func (p *partition) deliver(r request, records []sources.Record, o outcome) (told, closing bool) {
	now := time.Now()
	full := o.messages == maxEntries
	told = o.err == nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(r, o, now)
	startable := len(records) == 0 || records[0].Lasts(now, p.setup.timeout)
	switch w := r.own; w {
	case nil:
		p.asked -= r.units
		told = told || p.failFirst(r.units, o.err)
	default:
		w.flying--
		w.asked -= r.places
		if w.waits {
			var mine []sources.Record
			if startable {
				mine, records = records, nil
			}
			told = true
			records = append(records, p.gather(w, mine, full, o.err, now)...)
		}
	}
	if startable {
		records = p.hand(records, full && r.own == nil, now)
	}
	p.putLate(arrival{records: records, at: now}, now)
	p.share(now)
	return told, p.closing
}

// note remembers whether the queue is empty, and how quick it answers.
func (p *partition) note(r request, o outcome, now time.Time) {
	switch {
	case o.messages > 0:
		p.dry, p.answer = false, now.Sub(o.sent)
		p.lingerLess(now)
	case o.err == nil && r.wait > 0:
		p.dry = true
	}
}

// returnLate gives back what came while the partition closes.
func (p *partition) returnLate() {
	err := p.giveBack(p.work)
	if err != nil && !errors.Is(err, context.Canceled) {
		p.setup.logger.Warn("messages that came during the stop return later", "queue", p.ID(), "error", err)
	}
}

// deleteAgain deletes messages that were handled before, with their new
// receipt handles. What cannot be deleted now will be at its next delivery.
func (p *partition) deleteAgain(records []sources.Record) {
	err := p.Ack(p.work, records)
	if err != nil {
		p.setup.logger.Warn("delete of messages that were handled before failed again",
			"queue", p.ID(), "messages", len(records), "error", err)
	}
}
