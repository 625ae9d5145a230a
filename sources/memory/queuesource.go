package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	queueEventSource = "aws:sqs"
	maxWindow        = 300 * time.Second
	maxTimeout       = 900 * time.Second
)

// hiddenLonger is how much longer than window and time limit messages are hidden
// (SQS-43).
const hiddenLonger = 30 * time.Second

// queueSource is a queue as one mapping reads it: one partition, which can be
// had again after it was closed.
type queueSource struct {
	queue  *Queue
	free   chan struct{} // a token while the partition is not handed out
	hidden time.Duration // how long its receives hide messages
}

var (
	_ sources.Starter       = (*queueSource)(nil)
	_ sources.EventAppender = (*queueSource)(nil)
	_ sources.Releaser      = (*queuePartition)(nil)
	_ sources.Failer        = (*queuePartition)(nil)
	_ sources.Extender      = (*queuePartition)(nil)
)

// Traits tells the bounds of SQS (SQS-06..08, SQS-20, SQS-21, SQS-33). A Fetch takes
// whatever is visible: it stands for as many receives of ten as that takes, which in
// memory would only cost time.
func (s *queueSource) Traits() sources.Traits {
	traits := sources.Traits{
		EventSource:         queueEventSource,
		ARN:                 s.queue.arn,
		Redelivers:          true,
		Grouped:             s.queue.options.FIFO,
		BatchSize:           sources.Bounds[int]{Default: 10, Max: 10_000},
		UnwindowedBatchSize: 10,
		Window:              sources.Bounds[time.Duration]{Max: maxWindow},
		MaxTimeout:          maxTimeout,
		EventOverhead:       eventjson.Bound,
		Scaling:             sources.Scaling{Initial: 5, Idle: 2, Max: 1250, PerMinute: 300},
		AckBatch:            1,
		Provisioned: sources.Provisioned{ // ESM-111, SQS-25
			MinimumPollers: sources.Bounds[int]{Default: 2, Max: 200},
			MaximumPollers: sources.Bounds[int]{Default: 200, Max: 10_000},
			Lanes:          10,
			PerMinute:      1000,
		},
	}
	if s.queue.options.InPlace {
		return inPlaceTraits(traits, s.queue.options.DeadLetter != nil)
	}
	if traits.Grouped {
		traits.BatchSize.Max, traits.UnwindowedBatchSize = 10, 0
		traits.Window.Max = 0
	}
	return traits
}

// Start refuses a time limit of the handler longer than the visibility timeout, as
// AWS does (SQS-41, API-77), and hides messages for as long as a batch may need, if
// that is longer.
func (s *queueSource) Start(_ context.Context, settings sources.Settings) error {
	visibility := s.queue.options.VisibilityTimeout
	if settings.Timeout > visibility {
		return fmt.Errorf("memory: queue %s: Queue visibility timeout: %v is less than Function timeout: %v "+
			"(set QueueOptions.VisibilityTimeout or Config.Timeout): %w",
			s.queue.options.Name, visibility, settings.Timeout, sources.ErrUnusable)
	}
	s.hidden = max(visibility, settings.Window+settings.Timeout+hiddenLonger)
	return nil
}

// Accept hands out the queue.
func (s *queueSource) Accept(ctx context.Context) (sources.Partition, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		over, finished := s.queue.state()
		if over {
			return nil, sources.ErrEnd
		}
		select {
		case <-ctx.Done():
		case <-finished:
		case <-s.free:
			p := queuePartition{source: s, queue: s.queue, hidden: s.hidden}
			if s.queue.options.InPlace {
				return &inPlacePartition{queue: p, held: make(map[*entry]sources.Record)}, nil
			}
			return &p, nil
		}
	}
}

// Close has nothing to let go of.
func (s *queueSource) Close(context.Context) error { return nil }

// AppendEvent appends the document of SQS-90..105.
func (s *queueSource) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	return eventjson.AppendEvent(dst, records, func(dst []byte, r *sources.Record) []byte {
		return s.queue.encoder.Append(dst, &messageOf(r).event)
	})
}

func (q *Queue) state() (over bool, finished <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.over, q.finished
}
