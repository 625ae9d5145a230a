package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/sqs"
)

// process is a life's end of the wire.
type process struct {
	life   *simulation.Life
	host   string
	next   http.RoundTripper
	source *sqs.Source
	reads  atomic.Bool // it has started
	dead   atomic.Bool
}

// RoundTrip makes a call, unless the process is dead: then nobody hears of the
// answer.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() {
		return nil, errDead
	}
	response, err := p.next.RoundTrip(r)
	if err != nil || !p.dead.Load() {
		return response, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return nil, errDead
}

var errDead = errors.New("the process is dead")

// orderly is the source with a turn for the end of each Fetch: one receive may
// serve several lanes at a time, which go on in an order of the Go scheduler's.
type orderly struct {
	*sqs.Source

	process *process
	world   *service
}

// orderlyPartition is its partition, with all abilities.
type orderlyPartition struct {
	sources.Partition
	sources.Releaser
	sources.Failer
	sources.Extender

	world   *service
	fetches atomic.Int64
}

// Unwrap leads to the abilities that are not named here.
func (s *orderly) Unwrap() sources.Source { return s.Source }

// Unwrap leads to the abilities that are not named here.
func (p *orderlyPartition) Unwrap() sources.Partition { return p.Partition }

func (s *orderly) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	s.process.reads.Store(true)
	releaser, _ := p.(sources.Releaser)
	failer, _ := p.(sources.Failer)
	extender, _ := p.(sources.Extender)
	return &orderlyPartition{Partition: p, Releaser: releaser, Failer: failer, Extender: extender, world: s.world}, nil
}

// Fetch ends when it is its turn among those that end at the same instant: by
// what they bring, how much and since when, for a message may be handed out twice, or, if
// that is nothing, by when they began. Those that began at
// the same instant are of lanes that start and know nothing yet.
func (p *orderlyPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	label := fmt.Sprintf("fetch %9d", p.fetches.Add(1))
	began := time.Now()
	n, err := p.Partition.Fetch(ctx, buf, wait)
	took := time.Since(began)
	if n > 0 {
		label = fmt.Sprintf("fetched %s, %d of %d since %v", buf[0].ID, n, len(buf), took)
	}
	p.turn(label, func() {
		p.world.fetched(took, wait)
		p.world.lasting(buf[:n])
	})
	return n, err
}

// Extend tells until when records are the mapping's then.
func (p *orderlyPartition) Extend(ctx context.Context, records []sources.Record) error {
	label := "extended " + records[0].ID
	err := p.Extender.Extend(ctx, records)
	p.turn(label, func() { p.world.lasting(records) })
	return err
}

// Fail tells that the mapping has let go of records. That may take no call.
func (p *orderlyPartition) Fail(ctx context.Context, records []sources.Record) error {
	p.turn("fail "+records[0].ID, func() {
		for i := range records {
			p.world.sim.Observer().Returned(simulation.Number(records[i].Data))
		}
	})
	return p.Failer.Fail(ctx, records)
}

// Release tells that the mapping gave records back.
func (p *orderlyPartition) Release(ctx context.Context, records []sources.Record) error {
	p.turn("release "+records[0].ID, func() {
		for i := range records {
			p.world.sim.Observer().Released(simulation.Number(records[i].Data))
		}
	})
	return p.Releaser.Release(ctx, records)
}

// turn does something in its turn.
func (p *orderlyPartition) turn(label string, do func()) {
	done := make(chan struct{})
	p.world.sim.After(0, label, func() {
		do()
		close(done)
	})
	<-done
}
