package sourcetest

import (
	"context"

	"github.com/openesm/openesm/sources"
)

// wrap returns a faulty partition with the abilities of the one it wraps.
func (s *faultySource) wrap(inner sources.Partition) sources.Partition {
	p := &faultyPartition{Partition: inner, plan: s.plan, ordered: s.Traits().Ordered}
	releaser, releases := inner.(sources.Releaser)
	failer, fails := inner.(sources.Failer)
	describer, describes := inner.(sources.BatchDescriber)
	release := faultyReleaser{Releaser: releaser, of: p}
	fail := faultyFailer{Failer: failer, of: p}
	if describes {
		return describing(p, release, fail, describer, releases, fails)
	}
	switch {
	case releases && fails:
		return struct {
			*faultyPartition
			sources.Releaser
			sources.Failer
		}{p, release, fail}
	case releases:
		return struct {
			*faultyPartition
			sources.Releaser
		}{p, release}
	case fails:
		return struct {
			*faultyPartition
			sources.Failer
		}{p, fail}
	default:
		return p
	}
}

func describing(
	p *faultyPartition, release sources.Releaser, fail sources.Failer, describer sources.BatchDescriber,
	releases, fails bool,
) sources.Partition {
	switch {
	case releases && fails:
		return struct {
			*faultyPartition
			sources.Releaser
			sources.Failer
			sources.BatchDescriber
		}{p, release, fail, describer}
	case releases:
		return struct {
			*faultyPartition
			sources.Releaser
			sources.BatchDescriber
		}{p, release, describer}
	case fails:
		return struct {
			*faultyPartition
			sources.Failer
			sources.BatchDescriber
		}{p, fail, describer}
	default:
		return struct {
			*faultyPartition
			sources.BatchDescriber
		}{p, describer}
	}
}

type faultyReleaser struct {
	sources.Releaser

	of *faultyPartition
}

// Release implements [sources.Releaser].
func (r faultyReleaser) Release(ctx context.Context, records []sources.Record) error {
	op := Op{Kind: OpRelease, Partition: r.of.ID(), Records: records}
	return r.of.plan.around(ctx, op, func() error { return r.Releaser.Release(ctx, records) })
}

type faultyFailer struct {
	sources.Failer

	of *faultyPartition
}

// Fail implements [sources.Failer].
func (f faultyFailer) Fail(ctx context.Context, records []sources.Record) error {
	op := Op{Kind: OpFail, Partition: f.of.ID(), Records: records}
	return f.of.plan.around(ctx, op, func() error { return f.Failer.Fail(ctx, records) })
}
