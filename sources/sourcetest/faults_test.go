package sourcetest

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// leakTime is how long a goroutine lives that an adapter leaves behind.
const leakTime = time.Hour

// brokenAdapter is one way to break the contract and the cases that see it.
type brokenAdapter struct {
	name    string
	harness func(func(*bent)) Harness
	bend    func(*bent)
	caught  []string
}

func standard(bend func(*bent)) Harness { return onQueue(memory.QueueOptions{}, bend) }

func fifo(bend func(*bent)) Harness { return onQueue(memory.QueueOptions{FIFO: true}, bend) }

func faults() []brokenAdapter {
	return slices.Concat(fetchFaults(), settleFaults(), recordFaults(), sourceFaults(), revokeFaults(), hangFaults())
}

func fetchFaults() []brokenAdapter {
	return []brokenAdapter{
		{"overfills", standard, func(b *bent) { b.fetch = overfill }, []string{"FetchFitsBuffer", "ExactlyOnce"}},
		{"loses on cancel", standard, func(b *bent) { b.fetch = loseOnCancel }, []string{"CtxDone", "CancelLosesNothing"}},
		{"polls hot", onStream, func(b *bent) { b.fetch = hot }, []string{"IdleFetch"}},
		{"sleeps deaf", standard, func(b *bent) { b.fetch = deaf }, []string{"FetchWakes", "CancelEmpty"}},
		{"reverses", onStream, func(b *bent) { b.fetch = reverse }, []string{"Order", "RestartFromPosition"}},
		{"reverses groups", fifo, func(b *bent) { b.fetch = reverse }, []string{"Order"}},
		{"ends early", standard, func(b *bent) { b.fetch = endEarly }, []string{"WaitZero", "ExactlyOnce"}},
	}
}

func settleFaults() []brokenAdapter {
	everything := func(ctx context.Context, p *bentPartition, _ []sources.Record) error {
		return p.Partition.Ack(ctx, p.fetched)
	}
	nothing := func(context.Context, *bentPartition, []sources.Record) error { return nil }
	closing := func(ctx context.Context, p *bentPartition) error {
		if err := p.Partition.Ack(ctx, p.fetched); err != nil {
			return err
		}
		return p.Partition.Close(ctx)
	}
	atOnce := func(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
		n, err := p.Partition.Fetch(ctx, buf, wait)
		if n > 0 {
			err = p.Partition.Ack(ctx, buf[:n])
		}
		return n, err
	}
	return []brokenAdapter{
		{"acks everything", onStream, func(b *bent) { b.ack = everything }, []string{"RestartFromPosition"}},
		{"acks nothing", onStream, func(b *bent) { b.ack = nothing }, []string{"AckSettles", "AckTwice", "Lost"}},
		{"never deletes", standard, func(b *bent) { b.ack = nothing }, []string{"AckSettles", "AckSubset", "Redelivers"}},
		{"acks in Close", onStream, func(b *bent) { b.close = closing }, []string{"CloseSettlesNothing", "CloseWithOutstanding"}},
		{"deletes at once", standard, func(b *bent) { b.fetch = atOnce }, []string{"CloseSettlesNothing", "AckSubset", "Redelivers"}},
		{"acks at once", fifo, func(b *bent) { b.fetch = atOnce }, []string{"GroupWithheld"}},
	}
}

func recordFaults() []brokenAdapter {
	each := func(change func(*sources.Record)) func(b *bent) {
		return func(b *bent) {
			b.fetch = func(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
				n, err := p.Partition.Fetch(ctx, buf, wait)
				for i := range buf[:n] {
					change(&buf[i])
				}
				return n, err
			}
		}
	}
	oneBuffer := func(b *bent) { // of each source its own, as tests run side by side
		reused := make([]byte, 0, 1<<20)
		each(func(r *sources.Record) {
			reused = append(reused[:0], r.Data...)
			r.Data = reused
		})(b)
	}
	return []brokenAdapter{
		{"one ID", standard, each(func(r *sources.Record) { r.ID = "same" }), []string{"UniqueIDs"}},
		{"no ID", onStream, each(func(r *sources.Record) { r.ID = "" }), []string{"UniqueIDs"}},
		{"no time", standard, each(func(r *sources.Record) { r.Time = time.Time{} }), []string{"Time"}},
		{"too small", onStream, each(func(r *sources.Record) { r.Size -= 2 }), []string{"EventSize"}},
		{"no key", fifo, each(func(r *sources.Record) { r.Key = "" }), []string{"KeyKept"}},
		{"cut data", standard, each(func(r *sources.Record) { r.Data = r.Data[:len(r.Data)/2] }), []string{"DataIntact"}},
		{"one buffer", onStream, oneBuffer, []string{"DataNotReused", "DataIntact"}},
	}
}

func sourceFaults() []brokenAdapter {
	unnamed := func(t sources.Traits) sources.Traits {
		t.EventSource = ""
		return t
	}
	named := func(t sources.Traits) sources.Traits {
		t.RetryNamed = true // with tumbling windows, or not ordered
		return t
	}
	retried := func(t sources.Traits) sources.Traits {
		t.RetriesWithDestination = -1
		return t
	}
	again := func(ctx context.Context, s sources.Source) (sources.Partition, error) {
		p, err := s.Accept(ctx)
		if err == nil {
			return p, p.Close(ctx) // and so it can be accepted again
		}
		return nil, err
	}
	leak := func(ctx context.Context, s sources.Source) (sources.Partition, error) {
		go time.Sleep(leakTime)
		return s.Accept(ctx)
	}
	return []brokenAdapter{
		{"no name", standard, func(b *bent) { b.traits = unnamed }, []string{"TraitsSane"}},
		{"retries what is named", standard, func(b *bent) { b.traits = named }, []string{"RetriesSane"}},
		{"retries within windows", onStream, func(b *bent) { b.traits = named }, []string{"RetriesSane"}},
		{"retries less than never", onStream, func(b *bent) { b.traits = retried }, []string{"RetriesSane"}},
		{"hands out twice", standard, func(b *bent) { b.accept = again }, []string{"AcceptBlocks"}},
		{"starts children early", onStream, func(b *bent) { b.accept = again }, []string{"ChildrenAfterParents"}},
		{"leaves goroutines", standard, func(b *bent) { b.accept = leak }, []string{"NoGoroutine"}},
	}
}

func revokeFaults() []brokenAdapter {
	never := func(*bentPartition, func(), func()) {}
	onlyLost := func(p *bentPartition, _, lost func()) { p.tell(func() {}, lost) }
	atOnce := func(_ *bentPartition, revoked, _ func()) { revoked() }
	both := func(p *bentPartition, revoked, lost func()) {
		p.tell(func() {
			revoked()
			lost()
		}, lost)
	}

	// giveAway has a partition go as soon as it is revoked.
	giveAway := func(b *bent) {
		var asked atomic.Bool
		b.revoke = func(p *bentPartition, revoked, lost func()) {
			p.tell(func() {
				asked.Store(true)
				revoked()
			}, lost)
		}
		b.ack = func(ctx context.Context, p *bentPartition, records []sources.Record) error {
			if asked.Load() {
				return sources.ErrLost
			}
			return p.Partition.Ack(ctx, records)
		}
	}
	return []brokenAdapter{
		{"tells nothing", onStream, func(b *bent) { b.revoke = never }, []string{"LossIsTold", "Revoked", "RevokedTwice"}},
		{"is not revoked", onStream, func(b *bent) { b.revoke = onlyLost }, []string{"Revoked", "RevokedTwice"}},
		{"is revoked at once", onStream, func(b *bent) { b.revoke = atOnce }, []string{"LossIsTold"}},
		{"is lost when revoked", onStream, func(b *bent) { b.revoke = both }, []string{"Revoked"}},
		{"gives away too early", onStream, giveAway, []string{"Revoked"}},
		{"settles when revoked", onStream, func(b *bent) {
			b.close = func(ctx context.Context, p *bentPartition) error {
				if err := p.Partition.Ack(ctx, p.fetched); err != nil {
					return err
				}
				return p.Partition.Close(ctx)
			}
		}, []string{"Revoked"}},
	}
}

func overfill(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf[:cap(buf)], wait)
	return n, err
}

// loseOnCancel takes a record that its caller, gone by then, never gets.
func loseOnCancel(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	if ctx.Err() == nil {
		return n, err
	}
	plain := context.WithoutCancel(ctx)
	if n == 0 {
		n, _ = p.Partition.Fetch(plain, buf, 0)
	}
	_ = p.Partition.Ack(plain, buf[:n])
	return 0, ctx.Err()
}

func hot(ctx context.Context, p *bentPartition, buf []sources.Record, _ time.Duration) (int, error) {
	return p.Partition.Fetch(ctx, buf, 0)
}

// deaf sleeps for all of wait, whatever happens.
func deaf(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, 0)
	if n == 0 && err == nil {
		time.Sleep(wait)
	}
	return n, err
}

func reverse(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	slices.Reverse(buf[:n])
	return n, err
}

func endEarly(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	if n == 0 && err == nil {
		err = sources.ErrEnd
	}
	return n, err
}
