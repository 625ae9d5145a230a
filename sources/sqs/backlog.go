package sqs

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
)

// The metrics of a queue, gauges all of them. The names of the counts are CloudWatch's.
// Each answer of the service is told once: about every minute.
const (
	// ApproximateNumberOfMessagesVisible: the messages that wait.
	ApproximateNumberOfMessagesVisible sources.Metric = "ApproximateNumberOfMessagesVisible"
	// ApproximateNumberOfMessagesNotVisible: the messages that somebody received and that
	// are hidden.
	ApproximateNumberOfMessagesNotVisible sources.Metric = "ApproximateNumberOfMessagesNotVisible"
	// ApproximateNumberOfMessagesDelayed: the messages that may not be received yet.
	ApproximateNumberOfMessagesDelayed sources.Metric = "ApproximateNumberOfMessagesDelayed"
	// AgeOfOldestReceivedMessage: how old the oldest of the messages was that were received
	// since it was told last, when it was received. The service tells the age of the
	// oldest message that waits to CloudWatch only.
	AgeOfOldestReceivedMessage sources.Metric = "AgeOfOldestReceivedMessage"
)

// backlogInterval is how often a queue is asked how many messages it has.
const backlogInterval = time.Minute

// backlog is what is known of the messages of a queue and was not told yet. Each value is
// told once: a minute later it may be another.
type backlog struct {
	oldest atomic.Int64 // age at the receive in nanoseconds, and 1; 0 for nothing received

	mu     sync.Mutex
	counts []sources.Measure
}

// countNames are the attributes that count messages.
func countNames() []types.QueueAttributeName {
	return []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
}

// count takes note of an answer of GetQueueAttributes. What it does not say is unknown.
func (b *backlog) count(attributes map[string]string) {
	metrics := []sources.Metric{
		ApproximateNumberOfMessagesVisible, ApproximateNumberOfMessagesNotVisible, ApproximateNumberOfMessagesDelayed,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts = b.counts[:0]
	for i, name := range countNames() {
		if n, err := strconv.ParseUint(attributes[string(name)], 10, 31); err == nil {
			b.counts = append(b.counts, sources.Measure{Name: metrics[i], Count: int(n)})
		}
	}
}

// received takes note of the age of a message.
func (b *backlog) received(age time.Duration) {
	at := int64(max(age, 0)) + 1
	for known := b.oldest.Load(); at > known && !b.oldest.CompareAndSwap(known, at); {
		known = b.oldest.Load()
	}
}

// measure appends what was not told yet.
func (b *backlog) measure(dst []sources.Measure) []sources.Measure {
	b.mu.Lock()
	dst = append(dst, b.counts...)
	b.counts = b.counts[:0]
	b.mu.Unlock()
	if at := b.oldest.Swap(0); at > 0 {
		dst = append(dst, sources.Measure{Name: AgeOfOldestReceivedMessage, Duration: time.Duration(at - 1)})
	}
	return dst
}

// Measure tells how many messages the queue has, and how old those are that come. It
// tells nothing that is not known, and nothing twice. See [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure { return s.backlog.measure(dst) }

// watchBacklog asks the queue every minute until ctx is done. Who may not ask any more
// gives up.
func (p *partition) watchBacklog(ctx context.Context) {
	for rest(ctx, backlogInterval) == nil {
		out, err := awscall.Do(ctx, callTime, p.source.client.GetQueueAttributes,
			&sqs.GetQueueAttributesInput{QueueUrl: p.setup.url, AttributeNames: countNames()}, p.source.single...)
		switch {
		case err == nil:
			p.source.backlog.count(out.Attributes)
		case awscall.IsDenied(err):
			p.setup.logger.Info("the backlog of the queue is not told any more",
				"queue", p.ID(), "error", p.source.failed("GetQueueAttributes", err))
			return
		}
	}
}
