package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
)

// longestSilence is how long a subscription may bring nothing, its start included.
// Kinesis sends an event every 5 seconds or so, with or without records (KIN-85), so
// that the connection is dead by then.
const longestSilence = 30 * time.Second

// subscription is one SubscribeToShard and its events (KIN-81). Its goroutine ends
// when the events do, when the shard is lost, or by cut.
type subscription struct {
	// events has no buffer: what is not taken stays where it is. The goroutine has
	// one event in hand and the SDK two, and behind them the connection is
	// throttled. Closed at the end.
	events chan *types.SubscribeToShardEvent
	cut    context.CancelFunc

	// Valid once events is closed.
	opened time.Time // when the call had succeeded; zero if it had not
	err    error     // nil for an orderly end
	gone   bool      // the shard is not there any more
}

// run subscribes and hands events over.
func (s *subscription) run(ctx context.Context, p *partition, from *types.StartingPosition) {
	defer close(s.events)
	defer s.cut()
	stream, err := s.open(ctx, p, from)
	if err != nil {
		s.err, s.gone = err, p.isGone(ctx, err)
		return
	}
	s.opened = time.Now()
	s.err = s.relay(ctx, p, stream)
	s.gone = p.isGone(ctx, s.err)
	_ = stream.Close() // its error is known
	for range stream.Events() {
		continue // until the SDK's goroutine has closed it
	}
}

// open makes the call, in a goroutine of the pool, so that it can be cut off.
func (s *subscription) open(
	ctx context.Context, p *partition, from *types.StartingPosition,
) (*kinesis.SubscribeToShardEventStream, error) {
	var (
		out *kinesis.SubscribeToShardOutput
		err error
	)
	in := &kinesis.SubscribeToShardInput{ConsumerARN: &p.source.consumer, ShardId: &p.id, StartingPosition: from}
	done := make(chan struct{})
	p.source.calls.Do(func() {
		defer close(done)
		out, err = p.source.fanOut.SubscribeToShard(ctx, in, once, ownProtocol)
	})
	limit := time.NewTimer(longestSilence)
	defer limit.Stop()
	late := false
	select {
	case <-done:
	case <-limit.C:
		late = true
		s.cut()
	case <-p.held.Lost():
		s.cut()
	}
	<-done // a call ends soon when ctx does
	switch {
	case err == nil:
		p.source.grants.note("SubscribeToShard")
		return out.GetStream(), nil
	case late:
		return nil, &awscall.LateError{Within: longestSilence, Err: err}
	default:
		return nil, err
	}
}

// relay hands events over until there are no more, and tells why. The silence is
// counted only while somebody waits for the service, not for the reader.
func (s *subscription) relay(
	ctx context.Context, p *partition, stream *kinesis.SubscribeToShardEventStream,
) error {
	silence := time.NewTimer(longestSilence)
	defer silence.Stop()
	for {
		var event types.SubscribeToShardEventStream
		select {
		case next, ok := <-stream.Events():
			if !ok {
				return stream.Err()
			}
			event = next
		case <-silence.C:
			return &awscall.LateError{Within: longestSilence}
		case <-ctx.Done():
			return ctx.Err()
		case <-p.held.Lost():
			return nil
		}

		// What is of an unknown kind tells that the connection lives.
		if known, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			err := p.check(ctx, &known.Value)
			if err != nil {
				return err
			}
			select {
			case s.events <- &known.Value:
			case <-ctx.Done():
				return ctx.Err()
			case <-p.held.Lost():
				return nil
			}
		}
		silence.Reset(longestSilence)
	}
}

// check returns an error for an event that says nothing that holds.
func (p *partition) check(ctx context.Context, event *types.SubscribeToShardEvent) error {
	err := checkRecords(event.Records)
	if err == nil && isLast(event) {
		event.ChildShards, err = p.confirmEnd(ctx, event.Records, event.ChildShards)
	}
	return err
}

// isLast tells the event at the shard's end (KIN-84, KIN-86).
func isLast(event *types.SubscribeToShardEvent) bool {
	return aws.ToString(event.ContinuationSequenceNumber) == ""
}
