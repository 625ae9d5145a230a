package kafka

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/kafka/access"
)

const (
	managed     = "aws:kafka"        // KAF-80
	selfManaged = "SelfManagedKafka" // KAF-80
)

// Source is topics as a source of a mapping, which is one member of a consumer group.
type Source struct {
	options Options
	reach   []kgo.Opt // of every client
	monitor *monitor
	encoder *eventjson.Kafka

	living sync.WaitGroup
	life   context.Context    //nolint:containedctx // of what goes on between Start and Close
	stop   context.CancelFunc // ends life; nil before Start

	ready    chan struct{} // there is something for Accept
	relieved chan struct{} // all that was read is taken, but by lanes left behind
	closings chan struct{} // a lane was closed
	curious  chan struct{} // there is something for watch
	maxAwake int           // how many lanes are woken at once

	mu      sync.Mutex
	member  *member // nil before Start
	owned   map[key]*assignment
	lanes   []*lane                   // that wait to be accepted
	errs    []error                   // for Accept
	pending map[*lane]struct{}        // that have not taken all, and are not left behind
	starts  kadm.Offsets              // of topics of which nothing was committed at the start
	missed  int64                     // records that were deleted before they were read
	queued  queue[*lane]              // of pending, that were not woken yet
	left    []*lane                   // that were lost and not told yet
	resting map[*assignment]time.Time // that failed, and until when they are not asked for
	// ids tell the topics that are read from others that had their names before.
	ids   map[string]topicID
	anew  map[string]bool // topics that were made anew while they were read
	mixed *lane           // of all partitions, with Options.MixPartitions
	// retentions are how long topics keep their records.
	retentions map[string]*retention
	// stopping says that the mapping begins nothing more, closing that it is done.
	stopping, closing bool
	// listener is told of failures of the background; nil if nobody listens.
	listener func(error)
	// The poller does what is in tasks, between two polls. interrupt ends a poll.
	tasks     []task
	interrupt context.CancelFunc
	polling   bool
}

// task is something for the poller to do.
type task struct {
	do   func()
	done chan struct{}
}

var (
	_ sources.Source        = (*Source)(nil)
	_ sources.Starter       = (*Source)(nil)
	_ sources.EventAppender = (*Source)(nil)
	_ sources.Filterer      = (*Source)(nil)
	_ sources.Identifier    = (*Source)(nil)
	_ sources.Meter         = (*Source)(nil)
)

// New returns the source that options describe. It makes no call; its error names
// every violation.
func New(options Options) (*Source, error) {
	err := options.validate()
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	reach, err := access.Options(options.Access...)
	if err != nil {
		return nil, fmt.Errorf("kafka: Access: %w", err)
	}
	if options.RevokeTimeout == 0 {
		options.RevokeTimeout = DefaultRevokeTimeout
	}
	options.BootstrapServers = slices.Clone(options.BootstrapServers)
	options.Topics = slices.Clone(options.Topics)
	s := &Source{
		options:  options,
		ready:    make(chan struct{}, 1),
		relieved: make(chan struct{}, 1),
		closings: make(chan struct{}, 1),
		maxAwake: max(1, runtime.GOMAXPROCS(0)-1),
		pending:  make(map[*lane]struct{}),
		resting:  make(map[*assignment]time.Time),
		owned:    make(map[key]*assignment),
		ids:      make(map[string]topicID), anew: make(map[string]bool), curious: make(chan struct{}, 1), retentions: make(map[string]*retention),
	}
	s.monitor = newMonitor(s)
	s.encoder = eventjson.NewKafka(s.eventSource(), options.EventSourceARN, s.bootstrapServers())
	s.reach = slices.Concat([]kgo.Opt{kgo.SeedBrokers(options.BootstrapServers...), kgo.ClientID("openesm")}, reach, options.ClientOptions,
		[]kgo.Opt{kgo.WithHooks(s.monitor)})
	return s, nil
}

func (s *Source) eventSource() string {
	if s.options.EventSourceARN == "" {
		return selfManaged
	}
	return managed
}

// bootstrapServers are one text, with commas and no blanks (KAF-82).
func (s *Source) bootstrapServers() string { return strings.Join(s.options.BootstrapServers, ",") }

// topics are what is read, for people.
func (s *Source) topics() string {
	if s.options.TopicPattern != "" {
		return s.options.TopicPattern
	}
	return strings.Join(s.options.Topics, ",")
}

// Traits tells the bounds of Kafka (KAF-10, KAF-11, KAF-14, KAF-61, KAF-67). Its ARN
// is the cluster's, with "/" and the topics; without one it begins with the first
// broker.
func (s *Source) Traits() sources.Traits {
	const (
		defaultRecords = 100
		maxRecords     = 10_000
		defaultWindow  = 500 * time.Millisecond
		longestWindow  = 300 * time.Second
		longestRun     = 14 * time.Minute
		retries        = 10
		// What the engine keeps of a record, 560 bytes at most, and what was measured of
		// the client's own, with its ID.
		recordBytes = 560 + 260
	)
	cluster := s.options.EventSourceARN
	if cluster == "" {
		cluster = "kafka://" + s.options.BootstrapServers[0]
	}
	return sources.Traits{
		EventSource:            s.eventSource(),
		ARN:                    cluster + "/" + s.topics(),
		Ordered:                true,
		RetryNamed:             true,
		ReadsAhead:             true,
		RetriesWithDestination: retries,
		BatchSize:              sources.Bounds[int]{Default: defaultRecords, Max: maxRecords},
		Window:                 sources.Bounds[time.Duration]{Default: defaultWindow, Max: longestWindow},
		WindowFromRecord:       true,
		MaxTimeout:             longestRun,
		EventOverhead:          s.overhead(),
		RecordBytes:            recordBytes,
	}
}

// Accept blocks until this member of the group has a further partition, and returns
// it. Troubles of the whole group are its errors.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	for {
		err := ctx.Err()
		if err != nil {
			s.mu.Lock()
			s.stopping = true
			s.mu.Unlock()
			return nil, err
		}
		l, err := s.accept()
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, errNothing) {
			return nil, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
		}
	}
}

// errNothing says that there is nothing to accept now.
var errNothing = errors.New("nothing to accept")

func (s *Source) accept() (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stop == nil:
		return nil, s.failed("Accept", fmt.Errorf("before Start: %w", sources.ErrUnusable))
	case len(s.lanes) > 0:
		l := s.lanes[0]
		s.lanes = s.lanes[1:]
		return l, nil
	case len(s.errs) > 0:
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, err
	default:
		return nil, errNothing
	}
}

// offer hands a lane to Accept. The caller holds the mutex.
func (s *Source) offer(l *lane) {
	s.lanes = append(s.lanes, l)
	signal(s.ready)
}

// tell tells the mapping of a failure of the background.
func (s *Source) tell(err error) {
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if listener != nil {
		listener(err)
	} else {
		s.report(err)
	}
}

// background does something beside everything else, unless the source is being closed.
func (s *Source) background(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil && !s.closing {
		s.living.Go(do)
	}
}

// report hands an error to Accept, unless it has several already.
func (s *Source) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(err)
}

// note is report for a caller that holds the mutex.
func (s *Source) note(err error) {
	const maxErrors = 8
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, err)
		signal(s.ready)
	}
}

// Close leaves the group, unless Options.InstanceID is set, and closes the client.
func (s *Source) Close(ctx context.Context) error {
	s.mu.Lock()
	started := s.stop != nil
	s.closing = true
	s.mu.Unlock()
	if !started {
		return nil
	}
	s.stop()
	s.living.Wait()
	err := s.member.leave(ctx)
	s.mu.Lock()
	untold := s.errs
	s.errs = nil
	s.mu.Unlock()
	for _, err := range untold { // Accept is not called any more
		if isLoss(err) {
			s.tell(err)
		}
	}
	return err
}

// failed wraps the error of a call.
func (s *Source) failed(operation string, err error) error {
	return fmt.Errorf("kafka: %s for group %s of %s: %w", operation, s.options.ConsumerGroupID, s.topics(), err)
}
