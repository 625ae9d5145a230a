package esm

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

// stages are the contexts of the stages in which a mapping stops.
type stages struct {
	// soft ends fetching, work ends invocations, settle ends settlements.
	soft, work, settle context.Context //nolint:containedctx // they live as long as Run
}

var errRevoked = errors.New("partition revoked")

// part is one partition while it is served: what its lanes share.
type part struct {
	*Mapping
	stages

	partition sources.Partition
	id        string
	keeper    sources.WindowKeeper // nil without tumbling windows
	// soft is this partition's own, which endSoft ends.
	endSoft context.CancelCauseFunc
	// invokes and acks are work and settle until the partition is lost.
	invokes, acks offshoot
	// gone says that the partition is owned by somebody else, or about to be closed.
	gone atomic.Bool
}

func (m *Mapping) newPart(partition sources.Partition, s stages) *part {
	p := &part{Mapping: m, partition: partition, id: partition.ID(), stages: s}
	if m.config.TumblingWindow > 0 {
		p.keeper, _ = sources.Ability[sources.WindowKeeper](partition)
	}
	p.soft, p.endSoft = context.WithCancelCause(s.soft)
	p.invokes.parent, p.acks.parent = s.work, s.settle
	return p
}

// over reports whether invocations are to end: the partition is lost, or the mapping
// has lost its patience.
func (p *part) over() bool { return p.work.Err() != nil || p.lost() }

// serve reads the partition until it ends or the mapping stops, and closes it.
func (p *part) serve() {
	p.config.Logger.Debug("partition opened", p.attrs()...)
	if revocable, ok := sources.Ability[sources.Revocable](p.partition); ok {
		revocable.OnRevoke(p.revoke, func() { p.lose(sources.ErrLost) })
	}
	if p.traits.Ordered {
		newOrdered(p).run()
	} else {
		newUnordered(p).run()
	}
	p.gone.Store(true)
	p.close()
	p.end(nil)
	p.health.forget(p.id)
	p.config.Logger.Debug("partition closed", p.attrs()...)
}

// close lets the partition go, and tells if it could not be let go as it should. That of
// a stream may store its position.
func (p *part) close() {
	end := func() error { return p.partition.Close(p.settle) }
	var err error
	if p.traits.Ordered {
		err = p.counted(end)
	} else {
		err = end()
	}
	if err == nil {
		return
	}
	if p.settle.Err() != nil {
		p.cut.Store(true)
	}
	p.observe(Observation{Metric: CommitErrorCount, Partition: p.id, Count: 1, Err: err})
	p.warn("closing the partition failed", err)
}

// end ends all that is done with the partition.
func (p *part) end(cause error) {
	p.endSoft(cause)
	p.invokes.end(cause)
	p.acks.end(cause)
}

// revoke stops the partition as the mapping is stopped: it is to get another owner.
func (p *part) revoke() { p.endSoft(errRevoked) }

// lost reports whether the partition is owned by somebody else now.
func (p *part) lost() bool { return p.gone.Load() }

// lose drops what is not settled: the partition is owned by somebody else.
func (p *part) lose(err error) {
	if p.gone.Swap(true) {
		return
	}
	p.warn("partition lost, dropping what is not settled", err)
	p.end(sources.ErrLost)
}

// fetch reads records and tells how many. After an error that passes it waits.
func (p *part) fetch(buf []sources.Record, wait time.Duration, failures *int) (int, error) {
	n, err := p.partition.Fetch(p.soft, buf, wait)
	if n > 0 || err == nil {
		p.count(PolledEventCount, n)
	}
	passing, err := p.fetchError(p.soft, err)
	switch {
	case err == nil:
		*failures = 0
		return n, nil
	case errors.Is(err, sources.ErrLost):
		return 0, err
	case !passing:
		return n, err
	}
	*failures++
	p.polling(p.id, err, true)
	if n == 0 {
		sleep(p.soft, min(p.pollDelay(*failures), wait))
	}
	return n, nil
}

// fetchError sorts the error of a fetch under ctx: sources.ErrLost, sources.ErrEnd or
// ctx's own, after which nothing more comes, or one that passes.
func (p *part) fetchError(ctx context.Context, err error) (passing bool, _ error) {
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, sources.ErrLost):
		p.lose(err)
		return false, sources.ErrLost
	case errors.Is(err, sources.ErrEnd):
		return false, sources.ErrEnd
	case ctx.Err() != nil:
		return false, ctx.Err()
	default:
		return true, err
	}
}

// pollDelay is the wait after so many failed fetches in a row.
func (p *part) pollDelay(failures int) time.Duration {
	return pollBackoff().Delay(failures, p.config.Jitter())
}

// ack settles records by the partition's Ack or another function of its kind, as
// often as it takes: until they are settled, or no longer the mapping's, or the
// mapping loses its patience. Each of them stands for so many records of metric.
func (p *part) ack(settle func(context.Context, []sources.Record) error, records []sources.Record, metric Metric, each int) {
	ctx := p.acks.context()
	for failures := 1; !p.lost(); failures++ {
		total := len(records)
		err := p.counted(func() error { return settle(ctx, records) })
		if err == nil {
			p.count(metric, total*each)
			return
		}
		p.observe(Observation{Metric: CommitErrorCount, Partition: p.id, Count: 1, Err: err})
		if errors.Is(err, sources.ErrLost) || p.lost() {
			p.lose(err)
			return
		}
		if partial, ok := errors.AsType[*sources.AckError](err); ok {
			records = partial.Unsettled
			stale := len(partial.Stale)
			p.count(metric, (total-stale-len(records))*each)
			if stale > 0 {
				p.count(StaleEventCount, stale)
			}
			if len(records) == 0 {
				return
			}
		}
		p.warn("settling failed, trying again", err, slog.Int("records", len(records)))
		again := p.restSettling(ctx, failures)
		if p.lost() {
			return
		}
		if !again || expired(records, time.Now()) {
			p.warn("settling given up, the records will be delivered again", err, slog.Int("records", len(records)))
			p.count(StaleEventCount, len(records))
			if !again {
				p.cut.Store(true)
			}
			return
		}
	}
}

// restSettling waits after so many failed settlements in a row, and reports whether there
// is time for another.
func (p *part) restSettling(ctx context.Context, failures int) bool {
	timer := time.NewTimer(ackBackoff().Delay(failures, p.config.Jitter()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.lastCalls:
		return false
	case <-timer.C:
		return true
	}
}

// expired reports whether there are records, and none is the mapping's any more.
func expired(records []sources.Record, now time.Time) bool {
	for i := range records {
		if records[i].Lasts(now, 0) {
			return false
		}
	}
	return len(records) > 0
}

// release gives back records that were never started, and reports whether they
// are the source's again.
func (p *part) release(records []sources.Record) bool {
	releaser, ok := sources.Ability[sources.Releaser](p.partition)
	if len(records) == 0 || !ok || p.lost() {
		return false
	}
	err := releaser.Release(p.settle, records)
	if err != nil {
		p.commitFailed("releasing failed, the source takes the records back by itself", err, len(records))
	}
	return err == nil
}

// fail tells the source which records failed.
func (p *part) fail(records []sources.Record) {
	failer, ok := sources.Ability[sources.Failer](p.partition)
	if len(records) == 0 || !ok {
		return
	}
	if err := failer.Fail(p.settle, records); err != nil {
		p.commitFailed("telling of failed records failed", err, len(records))
	}
}

// commitFailed tells of a failed call that says what becomes of records.
func (p *part) commitFailed(message string, err error, records int) {
	p.observe(Observation{Metric: CommitErrorCount, Partition: p.id, Count: 1, Err: err})
	p.warn(message, err, slog.Int("records", records))
}

func (p *part) count(metric Metric, n int) {
	p.observe(Observation{Metric: metric, Partition: p.id, Count: n})
}

func (p *part) warn(message string, err error, more ...any) {
	p.config.Logger.Warn(message, append(append(p.attrs(), slog.Any("error", err)), more...)...)
}

func (p *part) attrs() []any {
	return []any{p.attr(), slog.String("partition", p.id)}
}
