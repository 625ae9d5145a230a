package sourcetest

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// Faulty returns a source that asks fault before every call that can fail and
// does to the call what it says. It has the optional abilities of the source
// that it wraps, as have its partitions, and no others: what it can have fail, and
// the rest by Unwrap. But it is always a
// [sources.Identifier], which takes a JSON string for an ID if the wrapped one is
// none, and all of its partitions are a [sources.Revocable], which never tells of a
// loss if the wrapped one cannot.
//
// fault is called concurrently if the source is. It must not call the source.
func Faulty(source sources.Source, fault func(Op) Fault) sources.Source {
	faulty := &faultySource{Source: source, plan: &faultPlan{fault: fault, calls: make(map[Kind]int)}}
	starter, starts := source.(sources.Starter)
	appender, appends := source.(sources.EventAppender)
	filterer, filters := source.(sources.Filterer)
	type (
		s struct{ faultyStarter }
		a struct{ sources.EventAppender }
		m struct{ sources.Filterer }
	)
	start, events, filter := s{faultyStarter{starter, faulty.plan}}, a{appender}, m{filterer}
	switch [3]bool{starts, appends, filters} {
	case [3]bool{true, false, false}:
		return struct {
			*faultySource
			s
		}{faulty, start}
	case [3]bool{false, true, false}:
		return struct {
			*faultySource
			a
		}{faulty, events}
	case [3]bool{false, false, true}:
		return struct {
			*faultySource
			m
		}{faulty, filter}
	case [3]bool{true, true, false}:
		return struct {
			*faultySource
			s
			a
		}{faulty, start, events}
	case [3]bool{true, false, true}:
		return struct {
			*faultySource
			s
			m
		}{faulty, start, filter}
	case [3]bool{false, true, true}:
		return struct {
			*faultySource
			a
			m
		}{faulty, events, filter}
	case [3]bool{true, true, true}:
		return struct {
			*faultySource
			s
			a
			m
		}{faulty, start, events, filter}
	default:
		return faulty
	}
}

// faultPlan counts calls and asks what to do to them.
type faultPlan struct {
	fault func(Op) Fault

	mu    sync.Mutex
	calls map[Kind]int
}

// ask returns the fault for a call, its delay over already.
func (p *faultPlan) ask(ctx context.Context, op Op) Fault {
	p.mu.Lock()
	p.calls[op.Kind]++
	op.Call = p.calls[op.Kind]
	p.mu.Unlock()
	fault := p.fault(op)
	if fault.Delay <= 0 {
		return fault
	}
	timer := time.NewTimer(fault.Delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return fault
}

// around makes a call, with its fault before and after.
func (p *faultPlan) around(ctx context.Context, op Op, call func() error) error {
	fault := p.ask(ctx, op)
	if fault.Before != nil {
		return fault.Before
	}
	if err := call(); err != nil {
		return err
	}
	return fault.After
}

// always is around for calls that are made in any case.
func (p *faultPlan) always(ctx context.Context, op Op, call func() error) error {
	fault := p.ask(ctx, op)
	switch err := call(); {
	case err != nil:
		return err
	case fault.Before != nil:
		return fault.Before
	default:
		return fault.After
	}
}

type faultySource struct {
	sources.Source

	plan     *faultPlan
	accepted sources.Partition // by an Accept that returned an error; of Accept alone
}

// Accept implements [sources.Source].
func (s *faultySource) Accept(ctx context.Context) (sources.Partition, error) {
	fault := s.plan.ask(ctx, Op{Kind: OpAccept})
	if fault.Before != nil {
		return nil, fault.Before
	}
	partition := s.accepted
	s.accepted = nil
	if partition == nil {
		inner, err := s.Source.Accept(ctx)
		if err != nil {
			return nil, err
		}
		partition = s.wrap(inner)
	}
	if fault.After != nil {
		s.accepted = partition
		return nil, fault.After
	}
	return partition, nil
}

// Unwrap returns the source whose calls fail, see [sources.Ability].
func (s *faultySource) Unwrap() sources.Source { return s.Source }

// RecordID implements [sources.Identifier].
func (s *faultySource) RecordID(item []byte) (id string, ok bool) {
	if identifier, ok := s.Source.(sources.Identifier); ok {
		return identifier.RecordID(item)
	}
	err := json.Unmarshal(item, &id)
	return id, err == nil && id != ""
}

// Close implements [sources.Source]. A partition that never reached the caller
// is closed first.
func (s *faultySource) Close(ctx context.Context) error {
	return s.plan.always(ctx, Op{Kind: OpSourceClose}, func() error {
		if s.accepted != nil {
			if err := s.accepted.Close(ctx); err != nil {
				return err
			}
		}
		return s.Source.Close(ctx)
	})
}

type faultyStarter struct {
	sources.Starter

	plan *faultPlan
}

// Start implements [sources.Starter].
func (s faultyStarter) Start(ctx context.Context, settings sources.Settings) error {
	return s.plan.around(ctx, Op{Kind: OpStart}, func() error { return s.Starter.Start(ctx, settings) })
}
