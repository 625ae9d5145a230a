package sourcetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

var errInjected = errors.New("injected fault")

type faultyPartition struct {
	sources.Partition

	plan    *faultPlan
	ordered bool

	mu    sync.Mutex
	again []sources.Record // to be brought once more
}

// Unwrap returns the partition whose calls fail, see [sources.Ability].
func (p *faultyPartition) Unwrap() sources.Partition { return p.Partition }

// OnRevoke implements [sources.Revocable].
func (p *faultyPartition) OnRevoke(revoked, lost func()) {
	if revocable, ok := p.Partition.(sources.Revocable); ok {
		revocable.OnRevoke(revoked, lost)
	}
}

// Fetch implements [sources.Partition].
func (p *faultyPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	fault := p.plan.ask(ctx, Op{Kind: OpFetch, Partition: p.ID()})
	if fault.Before != nil {
		return 0, fault.Before
	}
	repeated := p.repeat(buf)
	if repeated > 0 {
		wait = 0
	}
	if repeated == len(buf) {
		return repeated, fault.After
	}
	n, err := p.Partition.Fetch(ctx, buf[repeated:], wait)
	p.keep(buf[repeated:repeated+n], fault.Repeat)
	if err == nil {
		err = fault.After
	}
	return repeated + n, err
}

func (p *faultyPartition) repeat(buf []sources.Record) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := copy(buf, p.again)
	p.again = p.again[n:]
	return n
}

func (p *faultyPartition) keep(records []sources.Record, count int) {
	if count <= 0 || p.ordered {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = append(p.again, records[:min(count, len(records))]...)
}

// Ack implements [sources.Partition].
func (p *faultyPartition) Ack(ctx context.Context, records []sources.Record) error {
	fault := p.plan.ask(ctx, Op{Kind: OpAck, Partition: p.ID(), Records: records})
	if fault.Before != nil {
		return fault.Before
	}
	settle, failed := p.divide(records, fault)
	if len(settle) > 0 || len(records) == 0 {
		if err := p.Partition.Ack(ctx, settle); err != nil {
			return merge(err, settle, failed)
		}
	}
	switch {
	case fault.After != nil:
		return fault.After
	case len(failed.Unsettled)+len(failed.Stale) > 0:
		return failed
	default:
		return nil
	}
}

// Window implements [sources.WindowKeeper].
func (p *faultyPartition) Window() []byte {
	if keeper, ok := p.Partition.(sources.WindowKeeper); ok {
		return keeper.Window()
	}
	return nil
}

// AckWindow implements [sources.WindowKeeper]; it fails as Ack does.
func (p *faultyPartition) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	keeper, ok := p.Partition.(sources.WindowKeeper)
	if !ok {
		return p.Ack(ctx, records)
	}
	fault := p.plan.ask(ctx, Op{Kind: OpAck, Partition: p.ID(), Records: records})
	if fault.Before != nil {
		return fault.Before
	}
	if err := keeper.AckWindow(ctx, records, window); err != nil {
		return err
	}
	return fault.After
}

// divide returns the records to settle and the error that names the others.
func (p *faultyPartition) divide(records []sources.Record, fault Fault) ([]sources.Record, *sources.AckError) {
	failed := &sources.AckError{Err: errInjected}
	if fault.Unsettled == nil && fault.Stale == nil {
		return records, failed
	}
	var settle []sources.Record
	for i := range records {
		switch {
		case fault.Unsettled != nil && fault.Unsettled(records[i]),
			p.ordered && len(failed.Unsettled) > 0:
			failed.Unsettled = append(failed.Unsettled, records[i])
		case fault.Stale != nil && !p.ordered && fault.Stale(records[i]):
			failed.Stale = append(failed.Stale, records[i])
		default:
			settle = append(settle, records[i])
		}
	}
	return settle, failed
}

// merge adds what the wrapped partition could not settle to what it was not
// given to settle.
func merge(err error, settle []sources.Record, failed *sources.AckError) error {
	if len(failed.Unsettled)+len(failed.Stale) == 0 {
		return err
	}
	inner, ok := errors.AsType[*sources.AckError](err)
	if !ok {
		inner = &sources.AckError{Unsettled: settle, Err: err}
	}
	failed.Unsettled = append(failed.Unsettled, inner.Unsettled...)
	failed.Stale = append(failed.Stale, inner.Stale...)
	failed.Err = errors.Join(failed.Err, inner.Err)
	return failed
}

// Close implements [sources.Partition].
func (p *faultyPartition) Close(ctx context.Context) error {
	return p.plan.always(ctx, Op{Kind: OpClose, Partition: p.ID()}, func() error { return p.Partition.Close(ctx) })
}
