package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/broker"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	eventSource = "aws:rmq"
	// maxRecords and defaultRecords bound a batch (MQ-10).
	maxRecords, defaultRecords = 10_000, 100
	// maxWindow and defaultWindow bound a batching window (MQ-11).
	maxWindow, defaultWindow = 300 * time.Second, 500 * time.Millisecond
	// maxTimeout is the longest time limit of a handler (MQ-12).
	maxTimeout = 14 * time.Minute
	// maxPrefetch is the most that AMQP can say.
	maxPrefetch = 65_535
	// recordBytes is what a message takes in memory besides its size in the event
	// document: the client's delivery, a place in the engine's lists.
	recordBytes = 900
)

// Source reads one queue of one virtual host. Make it with [New].
type Source struct {
	options  Options
	id       string // QUEUE::VHOST
	failover *broker.Failover
	encoder  *eventjson.RabbitMQ
	setup    setup
	ready    *session // that Start made; nil for none
	accepted chan struct{}
	counters counters
	open     atomic.Pointer[partition]
}

// setup is what Start says.
type setup struct {
	lanes    int
	prefetch int           // messages
	hold     time.Duration // how long a message may be held; 0 for ever
	logger   *slog.Logger
}

var (
	_ sources.Source        = (*Source)(nil)
	_ sources.Starter       = (*Source)(nil)
	_ sources.EventAppender = (*Source)(nil)
	_ sources.Filterer      = (*Source)(nil)
	_ sources.Meter         = (*Source)(nil)
)

// New returns a source. It makes no call; the error names everything that is wrong with
// the options.
func New(options Options) (*Source, error) {
	options = options.withDefaults()
	endpoints, err := options.endpoints()
	if err != nil {
		return nil, err
	}
	return &Source{
		options: options, id: options.Queue + "::" + options.VirtualHost, failover: broker.NewFailover(endpoints),
		accepted: make(chan struct{}, 1),
		encoder:  eventjson.NewRabbitMQ(eventSource, options.ARN, options.Queue, options.VirtualHost, foreign),
		setup:    setup{lanes: 1, prefetch: defaultRecords, logger: slog.New(slog.DiscardHandler)},
	}, nil
}

// Traits tells how the queue is read: one batch at a time, so that order is kept, unless
// MaximumConcurrency says more (MQ-10, MQ-11, MQ-12, MQ-25, MQ-26).
func (s *Source) Traits() sources.Traits {
	return sources.Traits{
		EventSource:      eventSource,
		ARN:              s.options.ARN,
		Rejects:          s.options.DeadLetters,
		BatchSize:        sources.Bounds[int]{Default: defaultRecords, Max: maxRecords},
		Window:           sources.Bounds[time.Duration]{Default: defaultWindow, Max: maxWindow},
		WindowFromRecord: true,
		MaxTimeout:       maxTimeout,
		EventOverhead:    s.encoder.Overhead() - len(","),
		RecordBytes:      recordBytes,
		Scaling:          sources.Scaling{Initial: 1, Idle: 1, Failing: 1, Max: 1, PerMinute: 60}, //nolint:mnd // one a second
	}
}

// Accept hands out the queue, once.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, err //nolint:wrapcheck // the contract asks for it
	}
	select {
	case s.accepted <- struct{}{}:
		p := newPartition(s, s.ready)
		s.ready = nil
		s.open.Store(p)
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // the contract asks for it
	}
}

// Close closes the connection that Start made, if nobody has taken it over.
func (s *Source) Close(ctx context.Context) error {
	if s.ready == nil {
		return nil
	}
	session := s.ready
	s.ready = nil
	return session.close(ctx)
}

// AppendEvent appends the document of MQ-70..85.
func (s *Source) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	dst = s.encoder.Begin(dst)
	var m eventjson.RabbitMQMessage
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		view(&records[i], &m)
		dst = s.encoder.Append(dst, &m)
	}
	return s.encoder.End(dst)
}

// Filtering tells that patterns see the body, and the other members of a message (FILT-54).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{
		Key: "data", Text: true, KeepMismatch: true, Members: eventjson.RabbitMQMembers(),
		AppendMetadata: func(dst []byte, _ string, r *sources.Record, _ []sources.AskedMember) []byte {
			var m eventjson.RabbitMQMessage
			view(r, &m)
			return s.encoder.AppendMetadata(dst, &m)
		},
	}
}

// describeBatch is what failure records tell of a batch.
func (s *Source) describeBatch(dst []byte, records []sources.Record) []byte {
	return batchinfo.AppendMQ(dst, &batchinfo.MQ{
		ARN: s.options.ARN, Queue: s.options.Queue, VirtualHost: s.options.VirtualHost,
		First: records[0].ID, Last: records[len(records)-1].ID, Size: len(records),
	})
}

// name is how errors and logs call the queue.
func (s *Source) name() string {
	return fmt.Sprintf("queue %q of virtual host %q", s.options.Queue, s.options.VirtualHost)
}
