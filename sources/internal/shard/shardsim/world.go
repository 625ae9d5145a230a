// Package shardsim is what the simulations of adapters for sharded streams share: a
// store of leases that fails, and writes of which arrive late; processes that are cut off
// from everything when they die; other workers that take shards, ask for them, and leave
// them; and books of which shard is read by whom and settled how far. It is for tests.
//
// An adapter's world embeds a [World], and adds what its service does: Open, Send, Decode,
// Disturb, and the faults of its fake's calls.
package shardsim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// Server is the fake of a service, with one stream.
type Server interface {
	// Shards are those that are listed.
	Shards() []Shard
	// Numbers are the sequence numbers of the records that a shard still has.
	Numbers(shard string) []string
	// Trim drops the records before a sequence number.
	Trim(shard, before string) error
	// Expire takes a closed shard off the list.
	Expire(shard string) error
	// Close ends the server.
	Close() error
}

// Shard is a shard of the stream.
type Shard struct {
	ID string
	// Closed says that no record comes into it any more.
	Closed bool
	// Records is how many records it has, Put how many it ever got.
	Records, Put int
}

// World is the part of a simulated service that is the same for all sharded streams.
type World struct {
	Sim    *simulation.Sim
	Random *rand.Rand // of the simulation's goroutine
	Store  *checkpoint.Memory

	LeaseDuration, HandoverTimeout time.Duration
	Pace                           time.Duration // of positions
	Renamed                        bool          // a process that is started again has another name

	server  Server
	body    func(*sources.Record) []byte // that was sent
	current *Process
	owners  map[string]*Process // by the name in leases
	thieves int
	outage  time.Time // until when the store is out of reach

	numbers   map[string][]int    // of the records of each shard
	places    map[string]int      // behind the record with a sequence number, in its shard
	positions map[string]int      // that are stored
	epochs    map[string]int      // how often each shard was opened
	reader    map[string]*Process // who has each shard open

	mu    sync.Mutex          // of what the server's goroutines read
	lives map[string]*Process // by host
}

// New returns the world of a stream. body tells what was sent as a record's data.
func New(s *simulation.Sim, server Server, body func(*sources.Record) []byte) *World {
	const stream = 3
	return &World{
		Sim: s, Random: rand.New(rand.NewPCG(s.Scenario.Seed, stream)), Store: checkpoint.NewMemory(),
		server: server, body: body,
		owners: make(map[string]*Process), numbers: make(map[string][]int), places: make(map[string]int),
		positions: make(map[string]int), epochs: make(map[string]int), reader: make(map[string]*Process),
		lives: make(map[string]*Process),
	}
}

// Jitter is of the instant only, so that it does not matter who asks first.
func (w *World) Jitter() float64 {
	now := uint64(time.Now().UnixNano())
	return rand.New(rand.NewPCG(w.Sim.Scenario.Seed, now)).Float64()
}

// Begin returns a new process, which reaches the server by transport.
func (w *World) Begin(life *simulation.Life, transport http.RoundTripper) *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &Process{
		world: w, life: life, host: fmt.Sprintf("life-%d.test", len(w.lives)+1), next: transport, allowed: make(map[string]bool),
	}
	w.current = p
	w.lives[p.host] = p
	if len(w.lives) > 1 {
		w.Sim.Cover(map[bool]string{false: "same worker", true: "another worker"}[w.Renamed])
	}
	return p
}

// Process is the process that calls a host.
func (w *World) Process(host string) *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lives[host]
}

// Entered tells of a record that was put into a shard, with its size in event documents.
func (w *World) Entered(r simulation.Record, shard, number string, size int) {
	w.Sim.Observer().Entered(r, shard, size)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.numbers[shard] = append(w.numbers[shard], r.Number)
	w.places[number] = len(w.numbers[shard])
}

// opened notes who reads a shard, and returns the how manieth time it is.
func (w *World) opened(p *Process, shard string) int {
	if w.reader[shard] == p && w.epochs[shard] > 0 {
		w.Sim.Cover("taken back")
	}
	w.epochs[shard]++
	w.reader[shard] = p
	w.Sim.Observer().Opened(p.life, shard)
	return w.epochs[shard]
}

// lost notes that a process may read a shard no longer, unless it has opened it
// again meanwhile.
func (w *World) lost(p *Process, shard string, epoch int) {
	if w.reader[shard] == p && w.epochs[shard] == epoch {
		w.Sim.Observer().Lost(p.life, shard)
	}
}

// index is how many records of its shard a lease's position has passed.
func (w *World) index(l *checkpoint.Lease) int {
	place, known := w.place(l)
	if !known {
		w.Sim.Observer().Violate(3, "a position behind no record: "+l.Position.Sequence)
	}
	return place
}

// place is index for whoever has not the turn. It also reports whether there is a record at
// the position.
func (w *World) place(l *checkpoint.Lease) (place int, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch at := l.Position.Sequence; at {
	case checkpoint.TrimHorizon, checkpoint.AtTimestamp:
		return 0, true
	case checkpoint.ShardEnd:
		return len(w.numbers[l.Shard]), true
	default:
		place, known = w.places[at]
		return place, known
	}
}

// listed reports whether the stream still has a shard.
func (w *World) listed(id string) bool {
	return slices.ContainsFunc(w.server.Shards(), func(s Shard) bool { return s.ID == id })
}

// moved tells that a position was stored.
func (w *World) moved(p *Process, l *checkpoint.Lease) {
	from, to := w.positions[l.Shard], w.index(l)
	if from == to {
		return
	}

	// The lease of a shard that is gone may be created late, when it was deleted
	// already: nothing is read of it.
	if to == 0 && !w.listed(l.Shard) {
		return
	}
	w.Sim.Observer().Passed(p.life, l.Shard, w.numbers[l.Shard][min(from, to):to], to-from)
	w.positions[l.Shard] = max(from, to)
}

// Killed cuts the process off.
func (w *World) Killed(*simulation.Life) { w.current.die() }

// Close ends the server.
func (w *World) Close() {
	if err := w.server.Close(); err != nil {
		panic(err) //nolint:forbidigo // of a test
	}
}

// Open are the shards that are open.
func (w *World) Open() []Shard {
	return slices.DeleteFunc(w.server.Shards(), func(s Shard) bool { return s.Closed })
}

// leases are those stored, in the order of shards.
func (w *World) leases() []checkpoint.Lease {
	leases, err := w.Store.Leases(context.Background())
	if err != nil {
		panic(err) //nolint:forbidigo // memory does not fail
	}
	slices.SortFunc(leases, func(a, b checkpoint.Lease) int { return strings.Compare(a.Shard, b.Shard) })
	return leases
}
