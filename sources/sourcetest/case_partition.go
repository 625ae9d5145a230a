package sourcetest

import (
	"context"
	"errors"
	"time"
)

func partitionCases() []testCase {
	return []testCase{
		{"PartitionID", "ID names the partition within its source, unchanged over its life", partitionID, always},
		{"AcceptBlocks", "Accept hands each partition out once, and blocks until ctx is done when there is none", acceptBlocks, always},
		{"AcceptCtxDone", "Accept with a ctx that is done returns promptly, with ctx's error", acceptCtxDone, always},
		{"NoGoroutine", "Close leaves no goroutine behind", noGoroutine, always},
	}
}

func partitionID(p *probe) {
	r := p.open()
	defer r.close()
	ids := make(map[string]bool)
	for _, from := range r.parts {
		ids[from.ID()] = true
	}
	if len(ids) != len(r.parts) || ids[""] {
		p.brokenf("%d partitions have %d IDs: %v", len(r.parts), len(ids), ids)
	}
	r.send(1)
	r.ack(r.collect(1, 1))
	for _, from := range r.parts {
		if !ids[from.ID()] {
			p.brokenf("ID is %s now, which it was not before", from.ID())
		}
	}
}

func acceptBlocks(p *probe) {
	r := p.open()
	defer r.close()
	start := time.Now() // before ctx begins, so that it cannot end too early
	ctx, cancel := context.WithTimeout(p.ctx, p.harness.quiet())
	defer cancel()
	partition, err := r.source.Accept(ctx)
	took := time.Since(start)
	switch {
	case err == nil && partition != nil:
		p.brokenf("Accept: partition %s, although all were handed out", partition.ID())
	case !errors.Is(err, context.DeadlineExceeded):
		p.brokenf("Accept: error %v, want %v", err, context.DeadlineExceeded)
	case took < p.harness.quiet():
		p.brokenf("Accept: returned after %v, before ctx was done", took)
	case took > p.harness.quiet()+p.harness.Patience:
		p.brokenf("Accept: returned %v after it was called, long after ctx was done", took)
	}
}

func acceptCtxDone(p *probe) {
	r := p.open()
	defer r.close()
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	start := time.Now()
	_, err := r.source.Accept(ctx)
	if !errors.Is(err, context.Canceled) {
		p.brokenf("Accept: error %v, want %v", err, context.Canceled)
	}
	if took := time.Since(start); took > p.harness.Patience {
		p.brokenf("Accept: returned %v after ctx was done", took)
	}
}
