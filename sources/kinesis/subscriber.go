package kinesis

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/shard"
)

const (
	// subscribeInterval is the least time between two SubscribeToShard of one
	// shard (KIN-82).
	subscribeInterval = time.Second

	// takeoverInterval is how long after a SubscribeToShard that succeeded the
	// next one is refused, also if the connection is gone (KIN-83).
	takeoverInterval = 5 * time.Second

	// handoverTime is how long to be refused for that reason is no error: a shard
	// that is handed over, and a restart, begin so.
	handoverTime = 2 * takeoverInterval
)

// subscriber reads a shard by SubscribeToShard, with a throughput of its own
// (KIN-80). It has one subscription at a time, and begins the next one behind the
// events that it took of the last.
type subscriber struct {
	source   *Source
	p        *shard.Partition[types.Record]
	sub      *subscription // nil if one must be made
	running  sync.WaitGroup
	after    string    // the last ContinuationSequenceNumber; "" for none
	fresh    bool      // the subscription has brought nothing yet
	opened   bool      // it began at the partition's position
	earliest time.Time // for the next call
	failures int       // in a row
	refused  time.Time // the first of them, if it was for KIN-82 or KIN-83
}

func (s *Source) newSubscriber(p *shard.Partition[types.Record]) shard.Reader[types.Record] {
	return &subscriber{source: s, p: p}
}

// Ahead does nothing: the subscription goes on by itself.
func (*subscriber) Ahead() {}

// Close cuts the subscription.
func (r *subscriber) Close() {
	if r.sub != nil {
		r.sub.cut()
		r.running.Wait()
		r.sub = nil
	}
}

// Next takes the next event, of a new subscription if there is none.
func (r *subscriber) Next(ctx context.Context, wait time.Duration) (answer, error) {
	until := time.Now().Add(wait)
	if r.sub == nil {
		pause := time.Until(r.earliest)
		if pause > wait {
			shard.Sleep(ctx, max(wait, 0))
			return answer{}, ctx.Err()
		}
		if !shard.Sleep(ctx, pause) {
			return answer{}, ctx.Err()
		}
		r.subscribe(ctx)
	}
	select {
	case a, ok := <-r.sub.events:
		return r.took(a, ok)
	default: // nothing is at hand
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case a, ok := <-r.sub.events:
		return r.took(a, ok)
	case <-timer.C:
	case <-ctx.Done():
	}
	return answer{}, ctx.Err()
}

// subscribe makes a subscription, which outlives the Fetch that it begins in.
func (r *subscriber) subscribe(ctx context.Context) {
	from := startingPosition(r.p.From())
	r.opened = r.after == "" || r.p.OnEdge(time.Now())
	if !r.opened {
		// All of the events before it was taken, so that it is right for
		// aggregated records too (KIN-85).
		from = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(r.after)}
	}
	life, cut := context.WithCancel(context.WithoutCancel(ctx))
	sub := &subscription{events: make(chan answer), cut: cut}
	r.sub, r.fresh, r.earliest = sub, true, time.Now().Add(subscribeInterval)
	r.running.Go(func() { sub.run(life, r.source, r.p, &from) })
}

// took takes the answer of an event, or the end of the events.
func (r *subscriber) took(a answer, ok bool) (answer, error) {
	if !ok {
		return r.over()
	}
	a.Opened = r.fresh && r.opened
	r.fresh, r.failures, r.refused = false, 0, time.Time{}
	if a.Ended {
		r.Close()
		return a, nil
	}
	r.after = a.Next
	return a, nil
}

// over lets go of a subscription that is over. After five minutes the next one may
// follow at once (KIN-81); after errors it waits.
func (r *subscriber) over() (answer, error) {
	r.running.Wait()
	sub := r.sub
	r.sub = nil
	if !sub.opened.IsZero() {
		r.notBefore(sub.opened.Add(takeoverInterval))
	}
	err := sub.err
	switch {
	case err == nil && !r.fresh:
		return answer{}, nil // maybe a connection that was cut, which looks the same
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	switch {
	case sub.gone:
		return answer{Opened: true, Ended: true}, nil
	case r.failed(sub, err):
		return answer{}, nil
	}
	return answer{}, r.p.Failed("SubscribeToShard", " for consumer "+r.source.consumer, err)
}

// failed notes when to try again (KIN-87), and reports whether the failure is to be
// expected.
func (r *subscriber) failed(sub *subscription, err error) bool {
	delay := retry.Backoff{Initial: subscribeInterval, Max: 20 * time.Second}
	now, refused := time.Now(), r.refused
	r.failures++
	r.refused = time.Time{}
	switch code := awscall.Code(err); {
	case sub.opened.IsZero() && (code == "ResourceInUseException" || code == "LimitExceededException"):
		// Somebody has the shard for up to 5 seconds more, or has asked for it in
		// the last one: who read it before it was handed over here, or a call
		// whose answer was lost. To be refused costs him nothing.
		delay.Max = 2 * subscribeInterval
		if r.refused = refused; refused.IsZero() {
			r.refused = now
		}
	case code == "ResourceInUseException":
		// Somebody took the shard over. If he has its lease too, it is known here
		// before he would have to give way again.
		r.notBefore(now.Add(takeoverInterval))
	case code == "InvalidArgumentException":
		r.after = "" // begin behind the last record instead
	}
	r.notBefore(now.Add(delay.Delay(r.failures, r.source.options.Jitter())))
	return !r.refused.IsZero() && now.Sub(r.refused) < handoverTime
}

// notBefore puts the next call off.
func (r *subscriber) notBefore(t time.Time) {
	if t.After(r.earliest) {
		r.earliest = t
	}
}
