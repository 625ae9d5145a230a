package simulation

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// behavior is a way in which a handler misbehaves.
type behavior string

const (
	behaviorError     behavior = "error"
	behaviorPanic     behavior = "panic"
	behaviorGoexit    behavior = "goexit"
	behaviorThrottle  behavior = "throttle"
	behaviorPartial   behavior = "partial"   // names some records as failed
	behaviorMalformed behavior = "malformed" // names a record that it did not get, or none
	behaviorSlow      behavior = "slow"      // about as long as its time limit
	behaviorHang      behavior = "hang"      // until its context ends
	behaviorDeaf      behavior = "deaf"      // and longer
	behaviorStuck     behavior = "stuck"     // and for minutes, or for ever

	behaviorTypedNil   behavior = "typed nil"    // an error that is a nil pointer
	behaviorNoThrottle behavior = "nil throttle" // a throttle that is
	behaviorMute       behavior = "mute"         // an error whose methods panic
	behaviorPanicNil   behavior = "panic nil"
	behaviorRetryAfter behavior = "retry after" // a throttle with an odd wait
)

// oddBehaviors are those of handlers that return what nobody expects.
func oddBehaviors() []behavior {
	return []behavior{behaviorTypedNil, behaviorNoThrottle, behaviorMute, behaviorPanicNil, behaviorRetryAfter}
}

// behaviors are those that are drawn together; troubles draw the others.
func behaviors() []behavior {
	return []behavior{
		behaviorError, behaviorPanic, behaviorGoexit, behaviorThrottle, behaviorPartial, behaviorMalformed, behaviorSlow,
		behaviorHang, behaviorDeaf,
	}
}

// plan is what a handler is going to do with a batch.
type plan struct {
	behavior behavior // "" for success
	lasts    time.Duration
	failed   map[int]bool  // numbers that a partial failure names
	text     string        // of a malformed response
	wait     time.Duration // of a throttle
}

// poisonReached is counted when a poison record is handled.
const poisonReached = "poison"

// decide draws what the handler does.
func (s *Sim) decide(items []Item) plan {
	p := plan{lasts: time.Duration(s.rng.Int64N(int64(s.Scenario.Slowest) + 1))}
	if s.calmed || s.Scenario.Calm {
		p.lasts = min(p.lasts, s.limit()/2) //nolint:mnd // well within it
	}
	if s.Scenario.Backlog {
		p.lasts = s.Scenario.Slowest
	}
	if s.Scenario.Long && s.rng.IntN(3) > 0 {
		p.lasts = s.almost()
	}
	if s.Scenario.Busy > 0 {
		p.lasts = s.most()
	}
	if !s.failing {
		return p
	}
	if s.hanging < s.Scenario.Hanging {
		s.hanging++
		p.behavior = behaviorHang
		return p
	}
	if bad := s.poisoned(items); len(bad) > 0 {
		s.cover(poisonReached)
		p.behavior = behaviorError
		switch {
		case s.Scenario.Throttles:
			p.behavior = behaviorThrottle
		case s.Scenario.Config.ReportBatchItemFailures:
			p.behavior, p.failed = behaviorPartial, bad
			s.holdGroups(items, bad)
		}
		return p
	}
	for _, m := range slices.Concat(behaviors(), oddBehaviors(), []behavior{behaviorStuck}) {
		if rate := s.Scenario.Behaviors[m]; rate > 0 && s.rng.Float64() < rate && (m != behaviorStuck || s.mayStick()) {
			p.behavior = m
			s.cover("handler " + string(m))
			break
		}
	}
	switch p.behavior { //nolint:exhaustive // the others draw nothing
	case behaviorRetryAfter:
		p.wait = pick(dice{s.rng}, 0, -1, math.MinInt64, math.MaxInt64-time.Minute, math.MaxInt64)
	case behaviorPartial:
		p.failed = make(map[int]bool)
		for _, i := range items {
			if s.rng.IntN(3) == 0 {
				p.failed[i.Number] = true
			}
		}
		s.holdGroups(items, p.failed)
	case behaviorMalformed:
		p.text = pick(dice{s.rng}, "stranger", "empty", "junk", "null")
	case behaviorSlow:
		limit := s.limit()
		p.lasts = limit - time.Second + time.Duration(s.rng.Int64N(int64(2*time.Second)))
	}
	return p
}

// almost is nearly all of the handler's time limit.
func (s *Sim) almost() time.Duration {
	limit := s.limit()
	return limit - limit/100 - time.Duration(s.rng.Int64N(int64(limit/10))) //nolint:mnd // 0.89 to 0.99
}

// mayStick reports whether another handler may ignore its context: of those that do so
// for ever there are fewer than lanes.
func (s *Sim) mayStick() bool {
	if s.Scenario.Stuck < forever {
		return true
	}
	s.sticking++
	return s.sticking < s.observer.lanes()
}

// poisoned is the numbers of the poison among items.
func (s *Sim) poisoned(items []Item) map[int]bool {
	bad := make(map[int]bool)
	for _, i := range items {
		if s.poisonous(i.Number) {
			bad[i.Number] = true
		}
	}
	return bad
}

// holdGroups adds what follows a failed record in its group, as a handler of a
// FIFO queue has to (SQS-34).
func (s *Sim) holdGroups(items []Item, failed map[int]bool) {
	if !s.kind.Grouped {
		return
	}
	held := make(map[string]bool)
	for _, i := range items {
		key := s.observer.records[i.Number].key
		held[key] = held[key] || failed[i.Number]
		failed[i.Number] = held[key]
	}
}

func (s *Sim) poisonous(n int) bool {
	return s.failing && s.Scenario.Poison > 0 && n%s.Scenario.Poison == s.Scenario.Poison-1
}

// limit is the handler's time limit.
func (s *Sim) limit() time.Duration {
	if t := s.Scenario.Config.Timeout; t > 0 {
		return t
	}
	return esm.DefaultTimeout
}

// handler is the life's handler.
func (l *Life) handler() esm.Handler {
	if l.sim.Scenario.Bytes {
		return esm.Bytes(bytesHandler{l})
	}
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		items := make([]Item, len(records))
		size := l.sim.overhead
		for i := range records {
			items[i] = Item{Number: Number(records[i].Data), ID: records[i].ID}
			size += records[i].Size
		}
		ids, err := l.handle(ctx, items, size)
		return esm.Response{BatchItemFailures: ids}, err
	})
}

type bytesHandler struct{ life *Life }

// Invoke is for esm.Bytes.
func (h bytesHandler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ids, err := h.life.handle(ctx, h.life.sim.world.Decode(payload), len(payload))
	if err != nil || ids == nil {
		return nil, err
	}
	if len(ids) == 1 && ids[0] == "junk" {
		return []byte(`{"batchItemFailures": 7`), nil
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = `{"itemIdentifier":` + h.life.sim.identifier(id) + `}`
	}
	return []byte(`{"batchItemFailures":[` + strings.Join(quoted, ",") + `]}`), nil
}

// identifier is how an event document names a record.
func (s *Sim) identifier(id string) string {
	if world, is := s.world.(identifying); is {
		return world.Identifier(id)
	}
	return strconv.Quote(id)
}

// handle is one invocation: it begins, lasts, and ends, each an event of its
// own, so that the observer knows before the engine does.
func (l *Life) handle(ctx context.Context, items []Item, size int) ([]string, error) {
	at := func(*rand.Rand) time.Duration { return 0 }
	label := fmt.Sprint("life ", l.number, " invoke ", items)
	var i *invocation
	began := time.Now()
	if err := l.rest(label, at, func(c *call) {
		i = l.sim.observer.invoked(ctx, l, items, size, began)
		i.plan = l.sim.decide(items)
		l.finish(c, nil)
	}); err != nil {
		return nil, err
	}

	// The gate orders this read after the write.
	lasts := func(*rand.Rand) time.Duration { return i.plan.lasts }
	switch i.plan.behavior {
	case behaviorHang:
		<-ctx.Done()
	case behaviorDeaf, behaviorStuck:
		longer := l.sim.limit()
		if i.plan.behavior == behaviorStuck {
			longer = l.sim.Scenario.Stuck
		}
		select {
		case <-ctx.Done():
			if l.rest("deaf "+label, func(*rand.Rand) time.Duration { return longer }, func(c *call) { l.finish(c, nil) }) != nil {
				return nil, errKilled
			}
		case <-l.sim.over:
		}
	default:
		_ = l.pass(l.handlerContext(ctx), "run "+label, lasts, func(c *call) { l.finish(c, nil) })
	}
	if err := l.rest("return "+label, at, func(c *call) {
		l.sim.observer.returned(i)
		l.finish(c, nil)
	}); err != nil {
		return nil, err
	}
	return l.answer(ctx, i)
}
