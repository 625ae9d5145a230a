package kinesistest

import (
	"context"
	"net/http"
	"time"
)

const (
	subscriptionLife = 5 * time.Minute // KIN-81
	takeoverAfter    = 5 * time.Second // KIN-83
	heartbeat        = 5 * time.Second // KIN-85
	maxPushed        = 1_000           // records of an event
	maxPushedBytes   = 1 << 20         // of an event, unless its one record is larger
)

type subscribeToShard struct {
	Consumer string `json:"ConsumerARN"`
	Shard    string `json:"ShardId"`
	Position struct {
		Type   string  `json:"Type"`
		Number *string `json:"SequenceNumber"`
		Time   *epoch  `json:"Timestamp"`
	} `json:"StartingPosition"`

	sub *subscription // made by run
}

func (r *subscribeToShard) describe(s *Server, c *Call) {
	c.Shard, c.Type = r.Shard, r.Position.Type
	if r.Position.Number != nil {
		c.After = *r.Position.Number
	}
	if found, err := s.consumer(r.Consumer); err == nil {
		c.Stream, c.Consumer = found.stream.name.stream, found.name
	}
}

// run makes the subscription; its events come later.
func (r *subscribeToShard) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.consumer(r.Consumer)
	if err != nil {
		return nil, err
	}
	sh, err := c.stream.shard(r.Shard)
	if err != nil {
		return nil, err
	}
	p := place{kind: r.Position.Type, number: r.Position.Number, time: r.Position.Time}
	next, err := p.find(sh, now)
	if err != nil {
		return nil, err
	}
	if c.status(now) != statusActive {
		return nil, inUse("Consumer " + c.arn + " is not in ACTIVE status.") // KIN-89
	}
	if err := c.claim(sh, now); err != nil {
		return nil, err
	}
	sub := &subscription{
		shard: sh, consumer: c, host: x.host, lost: x.fault.Cut == CutAfter,
		next: next, wake: make(chan struct{}, 1), timers: make(map[string]*time.Timer),
	}
	c.rights[sh].sub, c.rights[sh].begun = sub, now
	sh.subs = append(sh.subs, sub)
	sub.timer(subscriptionLife, "expire", func() { sub.over = true })
	sub.pulse()
	sub.stir()
	r.sub = sub
	return nil, nil
}

// claim has a subscription take the place of the one that there may be
// (KIN-83).
func (c *consumer) claim(sh *shard, now time.Time) error {
	r, ok := c.rights[sh]
	if !ok {
		c.rights[sh] = &right{asked: now}
		return nil
	}
	hasty := now.Before(r.asked.Add(time.Second))
	r.asked = now
	switch {
	case c.stream.server.limits && hasty:
		return LimitExceeded() // KIN-82
	case now.Before(r.begun.Add(takeoverAfter)):
		return ResourceInUse()
	}
	r.sub.fail(ResourceInUse())
	return nil
}

// await waits for the next thing to push. It returns false once the caller or
// the server is gone.
func (s *Server) await(ctx context.Context, sub *subscription) (pushed, bool) {
	for ctx.Err() == nil {
		s.mu.Lock()
		var p pushed
		var ok bool
		switch {
		case len(sub.queue) > 0:
			p, ok = sub.queue[0], true
			sub.queue = sub.queue[1:]
		case !s.wire.Gated():
			p, ok = sub.take(time.Now())
		}
		s.mu.Unlock()
		if ok {
			return p, true
		}
		select {
		case <-sub.wake:
		case <-ctx.Done():
		case <-s.wire.Closed():
			return pushed{}, false
		}
	}
	return pushed{}, false
}

// push writes the event stream of a subscription until it ends or breaks.
func (s *Server) push(ctx context.Context, w http.ResponseWriter, sub *subscription, b *Break) {
	flush := http.NewResponseController(w).Flush
	_, err := w.Write(event("initial-response", []byte("{}")).append(nil))
	for events := 0; err == nil && flush() == nil; events++ {
		if b != nil && events == b.After {
			switch {
			case b.Event != nil:
				_, err = w.Write(event("SubscribeToShardEvent", []byte(*b.Event)).append(nil))
				continue
			case b.Err == nil:
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(exception(b.Err).append(nil)) // the stream ends here anyway
			return
		}
		p, ok := s.await(ctx, sub)
		if !ok {
			panic(http.ErrAbortHandler)
		}
		switch {
		case p.err != nil:
			_, _ = w.Write(exception(p.err).append(nil)) // as above
			return
		case p.over && !p.end:
			return
		}
		payload := p.append(room(sizeOf(p.records) + shardBytes))
		frame := event("SubscribeToShardEvent", payload).append(room(len(payload) + shardBytes))
		_, err = w.Write(frame)
		release(payload)
		release(frame)
		if p.end {
			return
		}
	}
}
