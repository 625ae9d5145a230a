package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/shard"
)

// maxSilence is how long a subscription may bring nothing, its start included.
// Kinesis sends an event every 5 seconds or so, with or without records (KIN-85), so
// that the connection is dead by then.
const maxSilence = 30 * time.Second

// subscription is one SubscribeToShard and its events (KIN-81). Its goroutine ends
// when the events do, when the shard is lost, or by cut.
type subscription struct {
	// events has no buffer: what is not taken stays where it is. The goroutine has
	// one event in hand and the SDK two, and behind them the connection is
	// throttled. Closed at the end.
	events chan answer
	cut    context.CancelFunc

	// Valid once events is closed.
	opened time.Time // when the call had succeeded; zero if it had not
	err    error     // nil for an orderly end
	gone   bool      // the shard is not there any more
}

// run subscribes and hands events over.
func (s *subscription) run(ctx context.Context, source *Source, p *shard.Partition[types.Record], from *types.StartingPosition) {
	defer close(s.events)
	defer s.cut()
	stream, err := s.open(ctx, source, p, from)
	if err != nil {
		s.err, s.gone = err, p.Gone(ctx, err)
		return
	}
	s.opened = time.Now()
	s.err = s.relay(ctx, p, stream)
	s.gone = p.Gone(ctx, s.err)
	_ = stream.Close() // its error is known
	for range stream.Events() {
		continue // until the SDK's goroutine has closed it
	}
}

// open makes the call, in a goroutine of the pool, so that it can be cut off.
func (s *subscription) open(
	ctx context.Context, source *Source, p *shard.Partition[types.Record], from *types.StartingPosition,
) (*kinesis.SubscribeToShardEventStream, error) {
	var (
		out *kinesis.SubscribeToShardOutput
		err error
	)
	in := &kinesis.SubscribeToShardInput{ConsumerARN: &source.consumer, ShardId: new(p.ID()), StartingPosition: from}
	done := make(chan struct{})
	source.shards.Do(func() {
		defer close(done)
		out, err = source.fanOut.SubscribeToShard(ctx, in, once, ownProtocol)
	})
	limit := time.NewTimer(maxSilence)
	defer limit.Stop()
	late := false
	select {
	case <-done:
	case <-limit.C:
		late = true
		s.cut()
	case <-p.Lost():
		s.cut()
	}
	<-done // a call ends soon when ctx does
	switch {
	case err == nil:
		source.shards.Allowed("SubscribeToShard")
		return out.GetStream(), nil
	case late:
		return nil, &awscall.LateError{Within: maxSilence, Err: err}
	default:
		return nil, err
	}
}

// relay hands events over until there are no more, and tells why. The silence is
// counted only while somebody waits for the service, not for the reader.
func (s *subscription) relay(
	ctx context.Context, p *shard.Partition[types.Record], stream *kinesis.SubscribeToShardEventStream,
) error {
	silence := time.NewTimer(maxSilence)
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
			return &awscall.LateError{Within: maxSilence}
		case <-ctx.Done():
			return ctx.Err()
		case <-p.Lost():
			return nil
		}

		// What is of an unknown kind tells that the connection lives.
		if known, ok := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent); ok {
			a := eventAnswer(&known.Value)
			err := p.Check(ctx, &a)
			if err != nil {
				return err
			}
			select {
			case s.events <- a:
			case <-ctx.Done():
				return ctx.Err()
			case <-p.Lost():
				return nil
			}
		}
		silence.Reset(maxSilence)
	}
}

// eventAnswer is what an event says. It ends the shard if it does not say where to go on
// (KIN-84, KIN-86).
func eventAnswer(event *types.SubscribeToShardEvent) answer {
	a := answerOf(event.Records, event.MillisBehindLatest, event.ChildShards)
	a.Next = aws.ToString(event.ContinuationSequenceNumber)
	a.Ended = a.Next == ""
	return a
}
