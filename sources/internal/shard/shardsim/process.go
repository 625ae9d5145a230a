package shardsim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// Process is a life's end of the wire.
type Process struct {
	world *World
	life  *simulation.Life
	host  string
	next  http.RoundTripper
	dead  atomic.Bool

	mu   sync.Mutex
	cuts []context.CancelFunc // of its subscriptions

	allowed map[string]bool // actions that were answered
}

// RoundTrip makes a call, unless the process is dead: then nobody hears of the
// answer.
func (p *Process) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() {
		return nil, errDead
	}
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
		r = p.cuttable(r)
	}
	response, err := p.next.RoundTrip(r)
	if err != nil || !p.dead.Load() {
		p.noteAllowed(r, response)
		return response, err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return nil, errDead
}

// noteAllowed notes which calls the process was allowed.
func (p *Process) noteAllowed(r *http.Request, response *http.Response) {
	const blank = 2 // bytes at most, and no answer of the service
	if response == nil || response.StatusCode != http.StatusOK || 0 <= response.ContentLength && response.ContentLength <= blank {
		return
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed[action] = true
}

// WasAllowed reports whether a call was allowed once.
func (p *Process) WasAllowed(action string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.allowed[action]
}

// cuttable makes a call one whose answer ends when the process dies.
func (p *Process) cuttable(r *http.Request) *http.Request {
	ctx, cut := context.WithCancel(r.Context())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = append(p.cuts, cut)
	return r.WithContext(ctx)
}

// die cuts the process off.
func (p *Process) die() {
	p.dead.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cut := range p.cuts {
		cut()
	}
}

var errDead = errors.New("the process is dead")

// turn does something in its turn, unless the process is dead.
func (p *Process) turn(label string, do func()) {
	done := make(chan struct{})
	p.world.Sim.After(0, label, func() {
		if !p.dead.Load() {
			do()
		}
		close(done)
	})
	<-done
}

// Life is the life of the process.
func (p *Process) Life() *simulation.Life { return p.life }

// Host is the host by which the process calls the server.
func (p *Process) Host() string { return p.host }

// Worker is the name of the process among the workers.
func (p *Process) Worker() string {
	if p.world.Renamed {
		return p.host
	}
	return "worker"
}

// Store is the store of leases as the process reaches it.
func (p *Process) Store() checkpoint.Store { return &sharedStore{p} }

// Watch returns the source, whose comings and goings the observer is told of. It keeps
// its abilities.
func (p *Process) Watch(source Source) sources.Source { return &watched{Source: source, process: p} }

// Source is a source of a sharded stream, with its abilities.
type Source interface {
	sources.Source
	sources.Starter
	sources.EventAppender
	sources.Filterer
	sources.Meter
}

// watched is the source, whose comings and goings the observer is told of.
type watched struct {
	Source

	process *Process
}

func (s *watched) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	revocable, _ := p.(sources.Revocable)
	keeper, _ := p.(sources.WindowKeeper)
	describer, _ := p.(sources.BatchDescriber)
	w := &watchedPartition{Partition: p, Revocable: revocable, BatchDescriber: describer, keeper: keeper, process: s.process}
	s.process.turn("opened "+p.ID(), func() { w.epoch = s.process.world.opened(s.process, p.ID()) })
	return w, nil
}

func (s *watched) Close(ctx context.Context) error {
	_ = s.process.life.Call(ctx, "close source", func() error { return nil })
	return s.Source.Close(ctx)
}

// watchedPartition is its partition, with all abilities.
type watchedPartition struct {
	sources.Partition
	sources.Revocable
	sources.BatchDescriber

	keeper  sources.WindowKeeper
	process *Process
	epoch   int
}

// OnRevoke tells the observer too. It may not wait for its turn.
func (p *watchedPartition) OnRevoke(revoked, lost func()) {
	p.Revocable.OnRevoke(func() {
		w := p.process.world
		w.Sim.After(0, "asked for "+p.ID(), func() {
			if w.reader[p.ID()] == p.process && w.epochs[p.ID()] == p.epoch && !p.process.dead.Load() {
				w.Sim.Observer().Revoked(p.process.life, p.ID(), w.HandoverTimeout)
			}
		})
		revoked()
	}, lost)
}

func (p *watchedPartition) Window() []byte { return p.keeper.Window() }

func (p *watchedPartition) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	return p.keeper.AckWindow(ctx, records, window)
}

func (p *watchedPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	if n == 0 {
		return n, err
	}
	w := p.process.world
	for i := range buf[:n] {
		buf[i].Data = w.body(&buf[i]) // by which the simulation knows a record
	}
	p.process.turn("fetched "+p.ID(), func() {
		for i := range buf[:n] {
			w.Sim.Observer().Handed(p.process.life, simulation.Number(buf[i].Data))
		}
	})
	return n, err
}

// Close comes after everything else, so nothing is handled from here on.
func (p *watchedPartition) Close(ctx context.Context) error {
	p.process.turn("closed "+p.ID(), func() { p.process.world.lost(p.process, p.ID(), p.epoch) })
	return p.Partition.Close(ctx)
}
