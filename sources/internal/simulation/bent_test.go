package simulation

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

// bend is what is wrong with a source. What is nil is as it should be; the rest
// stands in for the method of its name, and gets the right source or partition.
type bend struct {
	traits  func(*sources.Traits)
	accept  func(context.Context, modelSource) (sources.Partition, error)
	fetch   func(context.Context, []sources.Record, time.Duration, modelPartition) (int, error)
	ack     settle
	release settle
	fail    settle
	extend  settle
	close   func(context.Context, modelPartition) error
	revoke  func(revoked, lost func(), p *streamPartition)
}

type settle func(context.Context, []sources.Record, modelPartition) error

// modelSource and modelPartition are what both models' have in common.
type modelSource interface {
	sources.Source
	sources.EventAppender
	sources.Starter
}

type modelPartition interface {
	sources.Partition
	process() *Life
}

func (p *queuePartition) process() *Life  { return p.life }
func (p *streamPartition) process() *Life { return p.life }

// bent is a model's source with something wrong. It and its partitions have all
// the abilities of the model's.
type bent struct {
	modelSource
	bend
}

func (s *bent) Traits() sources.Traits {
	t := s.modelSource.Traits()
	if s.traits != nil {
		s.traits(&t)
	}
	return t
}

func (s *bent) Accept(ctx context.Context) (sources.Partition, error) {
	accept := s.accept
	if accept == nil {
		accept = func(ctx context.Context, s modelSource) (sources.Partition, error) { return s.Accept(ctx) }
	}
	p, err := accept(ctx, s.modelSource)
	switch p := p.(type) {
	case *queuePartition:
		return &bentQueue{bentPartition{p, s.bend}, p}, nil
	case *streamPartition:
		return &bentStream{bentPartition{p, s.bend}, p}, nil
	default:
		return nil, err
	}
}

// bentPartition is what is wrong with partitions of both models.
type bentPartition struct {
	right modelPartition
	bend  bend
}

func (p bentPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if p.bend.fetch != nil {
		return p.bend.fetch(ctx, buf, wait, p.right)
	}
	return p.right.Fetch(ctx, buf, wait)
}

func (p bentPartition) Ack(ctx context.Context, records []sources.Record) error {
	if p.bend.ack != nil {
		return p.bend.ack(ctx, records, p.right)
	}
	return p.right.Ack(ctx, records)
}

func (p bentPartition) Close(ctx context.Context) error {
	if p.bend.close != nil {
		return p.bend.close(ctx, p.right)
	}
	return p.right.Close(ctx)
}

func (p bentPartition) ID() string { return p.right.ID() }

type bentQueue struct {
	bentPartition
	right *queuePartition
}

func (p *bentQueue) Release(ctx context.Context, records []sources.Record) error {
	if p.bend.release != nil {
		return p.bend.release(ctx, records, p.right)
	}
	return p.right.Release(ctx, records)
}

func (p *bentQueue) Fail(ctx context.Context, records []sources.Record) error {
	if p.bend.fail != nil {
		return p.bend.fail(ctx, records, p.right)
	}
	return p.right.Fail(ctx, records)
}

func (p *bentQueue) Extend(ctx context.Context, records []sources.Record) error {
	if p.bend.extend != nil {
		return p.bend.extend(ctx, records, p.right)
	}
	return p.right.Extend(ctx, records)
}

type bentStream struct {
	bentPartition
	right *streamPartition
}

func (p *bentStream) OnRevoke(revoked, lost func()) {
	if p.bend.revoke != nil {
		p.bend.revoke(revoked, lost, p.right)
		return
	}
	p.right.OnRevoke(revoked, lost)
}
