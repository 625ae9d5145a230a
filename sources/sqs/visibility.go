package sqs

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
)

// Release makes records visible again at once. Records that are no longer the
// mapping's are passed over.
func (p *partition) Release(ctx context.Context, records []sources.Record) error {
	p.heart.drop(records)

	_, err := p.hide(ctx, records, func(*sources.Record) int32 { return 0 })

	return err
}

// Fail leaves records alone until their visibility timeout ends (SQS-81), or,
// with a FailureBackoff, chooses how long they stay away.
func (p *partition) Fail(ctx context.Context, records []sources.Record) error {
	p.heart.drop(records)

	backoff := p.source.options.FailureBackoff
	if backoff.Initial == 0 {
		return nil
	}

	// The service counts its 12 hours from the receive.
	limit := longestVisibility - min(p.setup.visibility, longestVisibility)
	_, err := p.hide(ctx, records, backoff.thrown(p.source.throw, p.source.queue.fifo, limit))

	return err
}

// hide changes how long records stay hidden from now on. It returns those
// whose receipt handles are worth nothing any more, and the first other error.
func (p *partition) hide(ctx context.Context, records []sources.Record,
	howLong func(*sources.Record) int32,
) ([]sources.Record, error) {
	var (
		mu    sync.Mutex
		stale []sources.Record
		first error
	)

	inTens(records, func(ten []sources.Record) {
		gone, err := p.hideTen(ctx, ten, howLong)

		mu.Lock()
		defer mu.Unlock()

		stale = append(stale, gone...)

		if first == nil {
			first = err
		}
	})

	return stale, first
}

// hiding is what one call of ChangeMessageVisibilityBatch needs, in one piece
// of memory.
type hiding struct {
	input   sqs.ChangeMessageVisibilityBatchInput
	entries [mostEntries]types.ChangeMessageVisibilityBatchRequestEntry
	ids     [mostEntries]string
}

func (p *partition) hideTen(ctx context.Context, ten []sources.Record,
	howLong func(*sources.Record) int32,
) ([]sources.Record, error) {
	const operation = "ChangeMessageVisibilityBatch"

	var h hiding
	for i := range ten {
		h.ids[i] = entryID(i)
		h.entries[i].Id = &h.ids[i]
		h.entries[i].ReceiptHandle = message(&ten[i]).ReceiptHandle
		h.entries[i].VisibilityTimeout = howLong(&ten[i])
	}

	h.input = sqs.ChangeMessageVisibilityBatchInput{QueueUrl: p.setup.url, Entries: h.entries[:len(ten)]}

	out, err := p.source.client.ChangeMessageVisibilityBatch(ctx, &h.input, p.source.single...)
	if err != nil {
		return nil, p.source.failed(operation, err)
	}

	var stale []sources.Record

	for i := range out.Failed {
		entry := &out.Failed[i]
		at := place(entry.Id, len(ten))

		switch {
		case at >= 0 && isStale(entry):
			stale = append(stale, ten[at])
		case err == nil:
			err = p.refusedEntry(operation, deref(entry.Code))
		}
	}

	return stale, err
}
