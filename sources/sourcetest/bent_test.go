package sourcetest

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

// bent is a source that breaks the contract with the calls that are given.
type bent struct {
	sources.Source

	traits func(sources.Traits) sources.Traits
	accept func(context.Context, sources.Source) (sources.Partition, error)
	fetch  func(context.Context, *bentPartition, []sources.Record, time.Duration) (int, error)
	ack    func(context.Context, *bentPartition, []sources.Record) error
	close  func(context.Context, *bentPartition) error
	revoke func(p *bentPartition, revoked, lost func())
}

// bentPartition remembers what was fetched, for those who ack it all.
type bentPartition struct {
	sources.Partition

	by      *bent
	fetched []sources.Record
}

func (b *bent) Traits() sources.Traits {
	if b.traits == nil {
		return b.Source.Traits()
	}
	return b.traits(b.Source.Traits())
}

func (b *bent) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	appender, ok := b.Source.(sources.EventAppender)
	if !ok {
		return dst
	}
	return appender.AppendEvent(dst, partition, records)
}

func (b *bent) Accept(ctx context.Context) (sources.Partition, error) {
	if b.accept != nil {
		return b.accept(ctx, b.Source)
	}
	partition, err := b.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &bentPartition{Partition: partition, by: b}, nil
}

func (p *bentPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if p.by.fetch != nil {
		return p.by.fetch(ctx, p, buf, wait)
	}
	n, err := p.Partition.Fetch(ctx, buf, wait)
	if !p.by.Source.Traits().Redelivers {
		p.fetched = append(p.fetched, buf[:n]...)
	}
	return n, err
}

func (p *bentPartition) OnRevoke(revoked, lost func()) {
	if p.by.revoke != nil {
		p.by.revoke(p, revoked, lost)
		return
	}
	p.tell(revoked, lost)
}

func (p *bentPartition) tell(revoked, lost func()) {
	if revocable, ok := p.Partition.(sources.Revocable); ok {
		revocable.OnRevoke(revoked, lost)
	}
}

func (p *bentPartition) Ack(ctx context.Context, records []sources.Record) error {
	if p.by.ack != nil {
		return p.by.ack(ctx, p, records)
	}
	return p.Partition.Ack(ctx, records)
}

func (p *bentPartition) Close(ctx context.Context) error {
	if p.by.close != nil {
		return p.by.close(ctx, p)
	}
	return p.Partition.Close(ctx)
}
