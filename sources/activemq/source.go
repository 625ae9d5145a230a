package activemq

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/broker"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	eventSource = "aws:mq" // MQ-50

	// recordBytes is what the engine keeps of a record, 560 bytes at most, and what a
	// message with a few properties takes in the client and here.
	recordBytes = 560 + 1400
)

// Source is a queue of ActiveMQ as a source of a mapping.
type Source struct {
	options  Options
	client   Client
	failover *broker.Failover
	encoder  *eventjson.ActiveMQ
	arn      string
	settings sources.Settings
	first    *life         // what Start opened, until Accept
	free     chan struct{} // has a token while the partition is not handed out
	run      string        // tells this source from all others of the name
	links    atomic.Uint64
	jitter   func() float64
	nameless atomic.Uint64 // messages without an ID
}

var (
	_ sources.Source         = (*Source)(nil)
	_ sources.Starter        = (*Source)(nil)
	_ sources.EventAppender  = (*Source)(nil)
	_ sources.Filterer       = (*Source)(nil)
	_ sources.Releaser       = (*partition)(nil)
	_ sources.Rejecter       = (*partition)(nil)
	_ sources.Holder         = (*partition)(nil)
	_ sources.BatchDescriber = (*partition)(nil)
)

// New returns the source that options describe. It makes no call; its error names every
// violation.
func New(options Options) (*Source, error) {
	endpoints, err := options.validate()
	if err != nil {
		return nil, fmt.Errorf("activemq: %w", err)
	}
	options.Name = cmp.Or(options.Name, "openesm")
	options.PrefetchBytes = cmp.Or(options.PrefetchBytes, DefaultPrefetchBytes)
	if options.TLS == nil {
		options.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	s := &Source{
		options: options, client: options.Client, failover: broker.NewFailover(endpoints), free: make(chan struct{}, 1),
		arn: cmp.Or(options.ARN, endpoints[0].Address+"/"+options.Queue), run: rand.Text(), jitter: mathrand.Float64,
	}
	if s.client == nil {
		s.client = &dialer{dial: options.Dial, secure: options.TLS}
	}
	s.encoder = eventjson.NewActiveMQ(eventSource, s.arn)
	s.free <- struct{}{}
	return s, nil
}

// Traits tells the bounds of ActiveMQ (MQ-10, MQ-11, MQ-12, MQ-25): a failed batch is tried
// again in place (MQ-32).
func (s *Source) Traits() sources.Traits {
	const (
		defaultRecords = 100
		maxRecords     = 10_000
		defaultWindow  = 500 * time.Millisecond
		longestWindow  = 300 * time.Second
		longestRun     = 14 * time.Minute
		lanes          = 5
	)
	return sources.Traits{
		EventSource: eventSource, ARN: s.arn,
		Rejects: true, Grouped: true, WindowFromRecord: true,
		BatchSize:     sources.Bounds[int]{Default: defaultRecords, Max: maxRecords},
		Window:        sources.Bounds[time.Duration]{Default: defaultWindow, Max: longestWindow},
		MaxTimeout:    longestRun,
		EventOverhead: s.encoder.Overhead(),
		RecordBytes:   recordBytes,
		Scaling:       sources.Scaling{Initial: lanes, Idle: lanes, Failing: lanes, Max: lanes},
	}
}

// Filtering tells how filter patterns see messages: by their body alone (FILT-54).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{Key: "data", Text: true, KeepMismatch: true}
}

// AppendEvent writes the event document of messages (MQ-50).
func (s *Source) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	return eventjson.AppendActiveMQ(s.encoder, dst, records, document)
}

func document(r *sources.Record) *eventjson.ActiveMQMessage { return &native(r).document }

// AppendBatchInfo describes a batch in failure records.
func (p *partition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	return batchinfo.AppendMQ(dst, &batchinfo.MQ{
		ARN: p.source.arn, Queue: p.ID(), First: records[0].ID, Last: records[len(records)-1].ID, Size: len(records),
	})
}

// Start connects and opens a link, at one endpoint after the other. What can only be put
// right by people ends the mapping.
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	s.settings = settings
	var all []error
	for range s.failover.Len() {
		link, err := s.attach(ctx)
		if err == nil {
			s.first = newLife(link)
			return nil
		}
		all = append(all, err)
	}
	err := errors.Join(all...)
	for _, one := range all {
		if _, ok := errors.AsType[*hopelessError](one); ok {
			return fmt.Errorf("activemq: %w: %w", sources.ErrUnusable, err)
		}
	}
	return fmt.Errorf("activemq: %w", err)
}

// attach makes one attempt to open a link, at the endpoint whose turn it is.
func (s *Source) attach(ctx context.Context) (Link, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	e := s.failover.Endpoint()
	to := Target{
		Address: e.Address, Host: e.Host, TLS: e.TLS, Queue: s.options.Queue,
		Container: s.options.Name + "-" + s.run + "-" + strconv.FormatUint(s.links.Add(1), 10),
	}
	login, err := s.options.Access(ctx)
	if err != nil {
		return nil, connectError(to, err)
	}
	to.Username, to.Password = login.Username, login.Password
	link, err := s.client.Attach(ctx, to)
	if err != nil {
		s.failover.Failed()
		return nil, connectError(to, err)
	}
	return link, nil
}

// unnamed makes the ID of a message that has none.
func (s *Source) unnamed() string {
	return "ID:" + s.options.Name + "-" + s.run + "-" + strconv.FormatUint(s.nameless.Add(1), 10)
}

// report tells the mapping of a failure that no call returns.
func (s *Source) report(err error) {
	if s.settings.Report != nil {
		s.settings.Report(err)
	}
}

// Accept hands out the queue.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.free:
	}
	first := s.first
	s.first = nil
	return newPartition(s, first), nil //nolint:contextcheck // it outlives the call
}

// Close ends the link that Start opened and nobody used.
func (s *Source) Close(ctx context.Context) error {
	if s.first == nil {
		return nil
	}
	return s.first.close(ctx)
}
