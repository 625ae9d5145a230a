//go:build synctests

package kafka_test

import (
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kafka"
)

// process is a life's end of the network, and what is known of it as a member of the
// group.
type process struct {
	world  *brokers
	life   *simulation.Life
	name   string
	source *kafka.Source
	dead   atomic.Bool
	heard  atomic.Int64 // when its mapping's observer heard of a denial last, in nanoseconds

	mu      sync.Mutex
	dialed  map[string]int
	wires   map[*wire]struct{}
	thaws   time.Time
	clients []*kgo.Client
	losses  []*kafka.LossError

	// Of the simulation's goroutine:
	started bool
	asked   map[kmsg.Key]*second
	total   int
	names   map[string]bool // that the group has called it
	drawn   map[string]int  // how much of each kind
}

// second counts the requests of a kind in one second.
type second struct {
	at int64
	n  int
}

func (w *brokers) newProcess(life *simulation.Life) *process {
	return &process{
		world: w, life: life, name: fmt.Sprintf("m%d-%d", life.Slot(), life.Number()),
		dialed: make(map[string]int), wires: make(map[*wire]struct{}),
		asked: make(map[kmsg.Key]*second), names: make(map[string]bool), drawn: make(map[string]int),
	}
}

// seeded is a source of randomness that in a bubble, whose time begins in the year 2000,
// depends on the instant only. The names of members are drawn from it, and partitions are
// shared out in the order of these.
type seeded struct{ otherwise io.Reader }

func (s seeded) Read(b []byte) (int, error) {
	const bubbles = 2010
	now := time.Now()
	if now.Year() > bubbles {
		return s.otherwise.Read(b)
	}
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 0))
	for i := range b {
		b[i] = byte(random.Uint64())
	}
	return len(b), nil
}

// seedNames has names drawn so from now on.
var seedNames = sync.OnceFunc(func() { cryptorand.Reader = seeded{cryptorand.Reader} })

// options are those of the process' source.
func (p *process) options() kafka.Options {
	w := p.world
	options := w.options
	options.BootstrapServers = w.cluster.ListenAddrs()[:1] // or the client draws one of them, whoever asks first
	options.ClientOptions = append([]kgo.Opt{
		kgo.ClientID(p.name), kgo.Dialer(p.dial), kgo.WithHooks(p), kgo.DisableClientMetrics(),
		kgo.RetryBackoffFn(func(fails int) time.Duration { return min(250*time.Millisecond<<min(fails, 5), 5*time.Second) }),
		kgo.SessionTimeout(w.session), kgo.HeartbeatInterval(w.heartbeat), kgo.FetchMaxWait(w.fetchWait),
		kgo.MetadataMaxAge(30 * time.Second), // so that new partitions are found soon
	}, w.options.ClientOptions...)
	if w.static {
		options.InstanceID = fmt.Sprint("m", p.life.Slot())
	}
	return options
}

// OnNewClient is a hook of the client.
func (p *process) OnNewClient(client *kgo.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients = append(p.clients, client)
}

// member is what the group calls this process; "" for nothing.
func (p *process) member() string {
	p.mu.Lock()
	clients := p.clients
	p.mu.Unlock()
	for _, client := range slices.Backward(clients) { // one that is no member has none
		if id, _ := client.GroupMetadata(); id != "" {
			return id
		}
	}
	return ""
}

// fate is what becomes of a request.
type fate struct{ cutBefore, cutAfter, hangs bool }

// asks sees a request in its turn, just before a broker does.
func (p *process) asks(w *wire, key kmsg.Key, frame []byte) fate {
	p.count(key)
	if !p.dead.Load() {
		p.world.asked(p, key, frame)
	}
	return p.fate(w, key)
}

// fate draws what becomes of a request.
func (p *process) fate(w *wire, key kmsg.Key) fate {
	op, r := string(operation(key)), p.dice("request to "+w.address+key.Name())
	return fate{cutBefore: p.chance(r, op+" before"), cutAfter: p.chance(r, op+" after"), hangs: p.chance(r, op+" hung")}
}

// delay is that of a slow answer: often longer than a client waits for one.
func (p *process) delay(w *wire) time.Duration {
	r := p.dice("answer from " + w.address)
	if !p.chance(r, string(slowAnswer)) {
		return 0
	}
	longest := choose(r, time.Second, 8*time.Second, time.Minute)
	return time.Duration(r.Int64N(int64(longest)))
}

// dice are those of the next thing of a kind that befalls the process. They depend on how many
// there were of this kind, and not on what else happens at the same instant: in which order
// the client does two things is not the seed's to say.
func (p *process) dice(kind string) *rand.Rand {
	p.drawn[kind]++
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, p.name, " ", kind, " ", p.drawn[kind])
	return rand.New(rand.NewPCG(p.world.sim.Scenario.Seed, h.Sum64()))
}

// chance decides whether a fault happens.
func (p *process) chance(r *rand.Rand, fault string) bool {
	s, f := p.world.sim, simulation.Fault(fault)
	if !s.Enabled(f) || r.Float64() >= s.Scenario.Faults[f] {
		return false
	}
	s.Cover(fault)
	return true
}

// operation is the scenario's name for a request.
func operation(key kmsg.Key) simulation.Op {
	switch key {
	case kmsg.Fetch:
		return simulation.OpFetch
	case kmsg.OffsetCommit:
		return simulation.OpAck
	case kmsg.LeaveGroup:
		return simulation.OpClose
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat:
		return simulation.OpAccept
	default:
		return simulation.OpStart
	}
}

// count holds requests against P9.
func (p *process) count(key kmsg.Key) {
	const most = 300
	p.total++
	c := p.asked[key]
	if c == nil {
		c = new(second)
		p.asked[key] = c
	}
	if now := time.Now().Unix(); now != c.at {
		c.at, c.n = now, 0
	}
	if c.n++; c.n > most {
		p.world.sim.Observer().Violate(9, fmt.Sprintf("a hot loop: %s makes more than %d requests of kind %s in one second", p.name, most, key.Name()))
	}
}

// die cuts the process off for good.
func (p *process) die() {
	p.dead.Store(true)
	p.cut(func(*wire) bool { return true })
}

// watched is the source, whose comings and goings the observer is told of.
type watched struct {
	*kafka.Source

	process *process
}

// Start tells when it has succeeded.
func (s *watched) Start(ctx context.Context, settings sources.Settings) error {
	err := s.Source.Start(ctx, settings)
	if err == nil {
		s.process.life.Turn(s.process.name+" has started", func() { s.process.world.started(s.process) })
	}
	return err
}

// Accept returns a lane that tells the observer what becomes of it.
func (s *watched) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	switch p.(type) {
	case sources.Releaser, sources.Failer, sources.WindowKeeper:
		panic("the simulation hides an ability of the partition")
	}
	revocable, _ := p.(sources.Revocable)
	describer, _ := p.(sources.RecordDescriber)
	l := &watchedLane{
		Partition: p, Revocable: revocable, RecordDescriber: describer, process: s.process, reads: make(map[*simPartition]bool),
	}
	s.process.life.Turn(s.process.name+" opens "+p.ID(), func() { s.process.world.opened(l) })
	return l, nil
}

// Close tells that the source is closed.
func (s *watched) Close(ctx context.Context) error {
	_ = s.process.life.Call(ctx, "close source", func() error { return nil })
	return s.Source.Close(ctx)
}

// watchedLane is a lane.
type watchedLane struct {
	sources.Partition
	sources.Revocable
	sources.RecordDescriber

	process *process

	// Of the simulation's goroutine: what the group called the process, and how often that
	// one had joined; what is read; when it was revoked; whether it was lost and closed.
	member       string
	joined       int
	reads        map[*simPartition]bool
	asked        time.Time
	lost, closed bool
}

// OnRevoke is in between.
func (l *watchedLane) OnRevoke(revoked, lost func()) {
	p := l.process
	l.Revocable.OnRevoke(
		func() {
			p.life.Turn(p.name+" revoked "+l.ID(), func() { p.world.revoked(l) })
			revoked()
		},
		func() {
			p.life.Turn(p.name+" lost "+l.ID(), func() { p.world.lost(l) })
			lost()
		},
	)
}

// Fetch tells what is handed out.
func (l *watchedLane) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := l.Partition.Fetch(ctx, buf, wait)
	if n > 0 {
		l.process.life.Turn(l.process.name+" fetched "+l.ID(), func() { l.process.world.handed(l, buf[:n]) })
	}
	return n, err
}

// Ack looks whether the group has what the lane says to be settled.
func (l *watchedLane) Ack(ctx context.Context, records []sources.Record) error {
	err := l.Partition.Ack(ctx, records)
	if err != nil || len(records) == 0 {
		return err
	}
	last := records[len(records)-1]
	l.process.life.Turn(fmt.Sprint(l.process.name, " acked ", last.ID), func() { l.process.world.acked(l, &last) })
	return nil
}

// Close comes after everything else, so nothing is handled from here on.
func (l *watchedLane) Close(ctx context.Context) error {
	l.process.life.Turn(l.process.name+" closed "+l.ID(), func() { l.process.world.shut(l) })
	return l.Partition.Close(ctx)
}
