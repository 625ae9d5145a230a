package sqs

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
)

// Ack deletes records, ten a call (SQS-60). An [*sources.AckError] tells which
// of them are still there.
func (p *partition) Ack(ctx context.Context, records []sources.Record) error {
	p.heart.drop(records)
	var left leftover
	inTens(records, fewCalls, func(ten []sources.Record) { p.deleteTen(ctx, ten, &left) })
	p.handled.update(records, left.err.Unsettled, left.err.Stale)
	return left.result()
}

// leftover gathers what several calls could not settle.
type leftover struct {
	mu  sync.Mutex
	err sources.AckError
}

func (l *leftover) unsettled(err error, records ...sources.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err.Unsettled = append(l.err.Unsettled, records...)
	l.cause(err)
}

func (l *leftover) stale(err error, record sources.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err.Stale = append(l.err.Stale, record)
	l.cause(err)
}

func (l *leftover) cause(err error) {
	if l.err.Err == nil {
		l.err.Err = err
	}
}

func (l *leftover) result() error {
	if l.err.Err == nil {
		return nil
	}
	return &l.err
}

// deletion is what one call of DeleteMessageBatch needs, in one piece of memory.
type deletion struct {
	input   sqs.DeleteMessageBatchInput
	entries [maxEntries]types.DeleteMessageBatchRequestEntry
	ids     [maxEntries]string
}

func (p *partition) deleteTen(ctx context.Context, ten []sources.Record, left *leftover) {
	const operation = "DeleteMessageBatch"
	var d deletion
	for i := range ten {
		d.ids[i] = entryID(i)
		d.entries[i].Id = &d.ids[i]
		d.entries[i].ReceiptHandle = message(&ten[i]).ReceiptHandle
	}
	d.input = sqs.DeleteMessageBatchInput{QueueUrl: p.setup.url, Entries: d.entries[:len(ten)]}
	out, err := awscall.Do(ctx, callTime, p.source.client.DeleteMessageBatch, &d.input, p.source.single...)
	if err != nil {
		left.unsettled(p.source.failed(operation, err), ten...)
		return
	}
	var told [maxEntries]bool
	for i := range out.Successful {
		if at := place(out.Successful[i].Id, len(ten)); at >= 0 {
			told[at] = true
		}
	}
	for i := range out.Failed {
		entry := &out.Failed[i]
		at := place(entry.Id, len(ten))
		if at < 0 || told[at] {
			continue
		}
		told[at] = true
		err := p.refusedEntry(operation, deref(entry.Code))
		if isStale(entry) {
			left.stale(err, ten[at])
		} else {
			left.unsettled(err, ten[at])
		}
	}
	for at := range ten {
		if !told[at] {
			left.unsettled(p.refusedEntry(operation, "not mentioned in the answer"), ten[at])
		}
	}
}

func (p *partition) refusedEntry(operation, code string) error {
	return &entryError{operation: operation, queue: p.ID(), code: awscall.Printable(code)}
}
