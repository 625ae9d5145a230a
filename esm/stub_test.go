package esm_test

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// stub is a source whose every answer a test can replace. It wraps another.
type stub struct {
	sources.Source
	traits func(sources.Traits) sources.Traits
	start  func(sources.Settings) error
	accept func() error
	fetch  func() error
	ack    func([]sources.Record) error

	mu       sync.Mutex
	released []string
	failed   []string
}

func (s *stub) Traits() sources.Traits {
	if s.traits == nil {
		return s.Source.Traits()
	}
	return s.traits(s.Source.Traits())
}

func (s *stub) Start(_ context.Context, settings sources.Settings) error {
	if s.start == nil {
		return nil
	}
	return s.start(settings)
}

func (s *stub) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return s.Source.(sources.EventAppender).AppendEvent(dst, partition, records)
}

func (s *stub) Accept(ctx context.Context) (sources.Partition, error) {
	if s.accept != nil {
		if err := s.accept(); err != nil {
			return nil, err
		}
	}
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &stubPartition{Partition: p, stub: s}, nil
}

// scaled is source with another scaling.
func scaled(source sources.Source, scaling sources.Scaling) sources.Source {
	return &stub{Source: source, traits: func(t sources.Traits) sources.Traits {
		t.Scaling = scaling
		return t
	}}
}

type stubPartition struct {
	sources.Partition
	stub *stub
}

func (p *stubPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if p.stub.fetch != nil {
		if err := p.stub.fetch(); err != nil {
			return 0, err
		}
	}
	return p.Partition.Fetch(ctx, buf, wait)
}

func (p *stubPartition) Ack(ctx context.Context, records []sources.Record) error {
	if p.stub.ack != nil {
		if err := p.stub.ack(records); err != nil {
			return err
		}
	}
	return p.Partition.Ack(ctx, records)
}

func (p *stubPartition) Release(ctx context.Context, records []sources.Record) error {
	p.stub.mu.Lock()
	for _, r := range records {
		p.stub.released = append(p.stub.released, string(r.Data))
	}
	p.stub.mu.Unlock()
	if releaser, ok := p.Partition.(sources.Releaser); ok {
		return releaser.Release(ctx, records)
	}
	return nil
}

func (p *stubPartition) Fail(_ context.Context, records []sources.Record) error {
	p.stub.mu.Lock()
	defer p.stub.mu.Unlock()
	for _, r := range records {
		p.stub.failed = append(p.stub.failed, string(r.Data))
	}
	return nil
}

// bare is a source without any optional ability.
type bare struct{ source sources.Source }

func (b bare) Traits() sources.Traits { return b.source.Traits() }
func (b bare) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := b.source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return struct{ sources.Partition }{p}, nil
}
func (b bare) Close(ctx context.Context) error { return b.source.Close(ctx) }
