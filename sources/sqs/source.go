package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	eventSource = "aws:sqs"

	// maxEntries is how many messages one call takes or gives (SQS-05).
	maxEntries = 10
)

// Source is one queue as a source of a mapping. It implements
// [sources.Source], [sources.Starter], [sources.EventAppender] and [sources.Meter].
type Source struct {
	client  Client
	queue   awscall.Queue
	given   string
	options Options
	single  []func(*sqs.Options) // options of every call
	scratch scratches
	jitter  func() float64 // of the failure back-off

	setup    *setup // of the last Start that succeeded
	accepted bool
	repeats  atomic.Uint64
	backlog  backlog
}

var (
	_ sources.Source        = (*Source)(nil)
	_ sources.Starter       = (*Source)(nil)
	_ sources.EventAppender = (*Source)(nil)
	_ sources.Meter         = (*Source)(nil)
)

// New returns the source that reads a queue: an ARN (SQS-01), a queue URL, or
// a plain name, which is looked up in the client's account and region. The
// client must be of the queue's region. A queue whose name ends in .fifo is a
// FIFO queue. New makes no call; its error names every violation.
func New(client Client, queue string, options Options) (*Source, error) {
	var errs []error
	if c, typed := client.(*sqs.Client); client == nil || typed && c == nil {
		errs = append(errs, errors.New("client: is nil"))
	}
	q, err := awscall.ParseQueue(queue)
	err = errors.Join(append(errs, err, options.validate())...)
	if err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	return &Source{
		client: client, queue: q, given: cmp.Or(q.URL, queue), options: options.withDefaults(),
		single: []func(*sqs.Options){once}, jitter: rand.Float64,
	}, nil
}

// Traits tells the bounds of a standard or FIFO queue. The ARN is the one
// given, or the one that an AWS queue URL spells; otherwise it is the URL or
// name as given, for it must not change over time. Event documents bear the
// ARN that the queue itself tells at Start (SQS-103).
func (s *Source) Traits() sources.Traits {
	const (
		maxRecords  = 10_000
		maxWindow   = 300 * time.Second
		maxTimeout  = 900 * time.Second
		ackLinger   = 20 * time.Millisecond
		recordBytes = 2 << 10 // measured
		maxBytes    = 1 << 20 // of a message
	)
	traits := sources.Traits{
		EventSource:         eventSource,
		ARN:                 s.queue.ARN,
		Redelivers:          true,
		Grouped:             s.queue.FIFO,
		BatchSize:           sources.Bounds[int]{Default: maxEntries, Max: maxRecords},
		UnwindowedBatchSize: maxEntries,
		Window:              sources.Bounds[time.Duration]{Default: 0, Max: maxWindow},
		MaxTimeout:          maxTimeout,
		EventOverhead:       eventjson.Bound,
		RecordBytes:         recordBytes,
		MaxRecordBytes:      maxBytes + recordBytes,
		Scaling:             sources.Scaling{Initial: 5, Idle: 2, Max: 1250, PerMinute: 300},
		AckBatch:            maxEntries,
		AckLinger:           ackLinger,
		// ESM-111, SQS-25
		Provisioned: sources.Provisioned{
			MinimumPollers: sources.Bounds[int]{Default: 2, Max: 200},
			MaximumPollers: sources.Bounds[int]{Default: 200, Max: 10_000},
			Lanes:          10,
			PerMinute:      1000,
		},
	}
	if traits.ARN == "" {
		traits.ARN = s.given
	}
	if s.queue.FIFO {
		traits.BatchSize.Max = maxEntries
		traits.Window.Max = 0
		// A delete that waits holds back its group.
		traits.AckLinger = 0
	}
	return traits
}

// Accept returns the queue, which is one partition, the first time; after that
// it blocks until ctx is done. Start must have succeeded before.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	if s.setup == nil {
		return nil, fmt.Errorf("sqs: queue %s: Accept before Start: %w", s.queue.Name, sources.ErrUnusable)
	}
	err := ctx.Err()
	if err != nil {
		return nil, err
	}
	if !s.accepted {
		s.accepted = true
		return newPartition(ctx, s), nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Close lets go of nothing: the client is the caller's.
func (*Source) Close(context.Context) error { return nil }

// Repeats returns how many deliveries were deleted instead of being handed out,
// because the message had been handled with success before and only its delete
// was lost. May be called concurrently with everything.
func (s *Source) Repeats() uint64 { return s.repeats.Load() }
