//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// slot is a place for a process with one mapping, which is started, stopped and
// killed, and started again.
type slot struct {
	sim    *sim
	number int

	mu      sync.Mutex
	life    *life // nil before the first
	closing bool  // nothing is started any more
}

// start begins a life, unless one is there.
func (s *slot) start() {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.closing || s.life != nil && !s.life.isOver() {
		return
	}

	s.life = s.sim.newLife(s)
	s.life.run()
}

// running is the life that runs, and was not told to stop.
func (s *slot) running() *life {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.life == nil || s.life.isOver() || s.life.isStopping() {
		return nil
	}

	return s.life
}

// recover has the slot run in good weather.
func (s *slot) recover() {
	s.mu.Lock()
	l := s.life
	s.mu.Unlock()

	if l != nil {
		l.host.thaw()
	}

	s.start()
}

// stop stops the mapping, and starts it again so long after it has ended.
func (s *slot) stop(again time.Duration) {
	l := s.running()
	if l == nil {
		return
	}

	s.sim.cover("stop")
	l.stop()
	s.sim.work.Go(func() {
		<-l.over
		s.sim.after(again, s.start)
	})
}

// kill kills the process, and starts another one so long after that; never if again
// is negative.
func (s *slot) kill(again time.Duration) {
	s.mu.Lock()
	l := s.life
	s.closing = s.closing || again < 0
	s.mu.Unlock()

	if l == nil || l.isOver() {
		return
	}

	if again >= 0 {
		s.sim.cover("kill")
	}

	l.kill()

	if again >= 0 {
		s.sim.after(again, s.start)
	}
}

// last stops the mapping for good.
func (s *slot) last() {
	s.mu.Lock()
	l := s.life
	s.closing = true
	s.mu.Unlock()

	if l == nil || l.isOver() {
		return
	}

	l.stop()

	select {
	case <-l.over:
	case <-s.sim.observer.violated:
	}
}

// await waits until no process runs any more.
func (s *slot) await() {
	s.mu.Lock()
	l := s.life
	s.mu.Unlock()

	if l != nil {
		<-l.ended
	}
}

// life is one process with one mapping.
type life struct {
	sim    *sim
	name   string
	host   *host
	cancel context.CancelFunc
	dead   chan struct{} // closed by kill
	over   chan struct{} // closed when it is dead, or Run has returned
	ended  chan struct{} // closed when Run has returned
	finish sync.Once

	mu      sync.Mutex
	clients []*kgo.Client
	lanes   map[string]*watchedLane // by the ID of what they handed out
	asked   map[int16]*second
	total   int

	// Of the observer, and guarded by its mutex:
	killed  bool
	gone    bool            // Run has returned
	stopped time.Time       // when it was told to stop
	names   map[string]bool // that the group has called it
	ends    time.Time       // when an invocation ended last
}

// second counts the requests of a kind in one second.
type second struct {
	at int64
	n  int
}

func (s *sim) newLife(slot *slot) *life {
	s.mu.Lock()
	s.lives++
	number := s.lives
	s.mu.Unlock()

	return &life{
		sim: s, name: fmt.Sprintf("m%d-%d", slot.number, number), host: newHost(s, number),
		dead: make(chan struct{}), over: make(chan struct{}), ended: make(chan struct{}),
		lanes: make(map[string]*watchedLane), asked: make(map[int16]*second),
		names: make(map[string]bool),
	}
}

// run runs the mapping.
func (l *life) run() {
	s := l.sim

	source, err := kafka.New(l.options())
	if err != nil {
		panic(err)
	}

	mapping, err := esm.New(&watched{Source: source, life: l}, l.handler(), l.config())
	if err != nil {
		panic(fmt.Sprintf("%v\n%v", err, &s.scenario))
	}

	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel

	s.observer.logf("%s begins", l.name)

	go func() {
		err := mapping.Run(ctx)
		s.observer.ended(l, err)
		cancel()
		l.finish.Do(func() { close(l.over) })
		close(l.ended)
	}()
}

// options are those of the source.
func (l *life) options() kafka.Options {
	s := l.sim

	options := kafka.Options{
		BootstrapServers:     s.cluster.ListenAddrs(),
		Topics:               []string{simTopic},
		ConsumerGroupID:      simGroup,
		StartingPosition:     s.position,
		ServerSideAssignment: s.serverSide,
		RevokeTimeout:        s.revokeTimeout,
		ReadCommitted:        s.readCommitted,
		MixPartitions:        s.mixed,
		ClientOptions: []kgo.Opt{
			kgo.ClientID(l.name), kgo.Dialer(l.host.dial), kgo.WithHooks(l),
			kgo.SessionTimeout(s.sessionTimeout), kgo.HeartbeatInterval(s.heartbeat), kgo.FetchMaxWait(s.fetchMaxWait),
		},
	}

	if s.position == kafka.AtTimestamp {
		options.StartingPositionTimestamp = s.observer.began
	}

	if s.static {
		options.InstanceID, _, _ = strings.Cut(l.name, "-")
	}

	if s.verbose {
		options.ClientOptions = append(options.ClientOptions, kgo.WithLogger(kgo.BasicLogger(s.observer.writer(l.name+" kgo "), kgo.LogLevelInfo, nil)))
	}

	return options
}

// config is the scenario's configuration with the parts that are not plain.
func (l *life) config() esm.Config {
	s := l.sim
	c := s.config
	c.Observer = l.observe
	c.Logger = slog.New(slog.DiscardHandler)
	c.Jitter = func() float64 {
		return rand.New(rand.NewPCG(s.seed, uint64(time.Now().UnixNano()))).Float64()
	}

	if s.verbose {
		c.Logger = slog.New(slog.NewTextHandler(s.observer.writer(l.name+" esm "), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}

	if s.reject > 0 {
		c.Filter = func(r *sources.Record) bool { return numberOf(r.Data)%s.reject != 0 }
	}

	if s.destination {
		c.OnFailure = esm.DestinationFunc(l.deliver)
	}

	return c
}

// observe is told of everything that the mapping counts.
func (l *life) observe(o esm.Observation) {
	if loss, ok := errors.AsType[*kafka.LossError](o.Err); ok {
		l.sim.observer.lost(l, loss)
	}
}

var errDestination = errors.New("simulation: the destination does not answer")

// deliver is the destination.
func (l *life) deliver(ctx context.Context, f *esm.FailureRecord) error {
	select {
	case <-time.After(l.host.latency()):
	case <-ctx.Done():
		return ctx.Err()
	}

	if l.host.chance(deliverBefore) {
		l.sim.cover(deliverBefore)

		return errDestination
	}

	numbers := make([]int, len(f.Records))
	for i := range f.Records {
		numbers[i] = numberOf(f.Records[i].Data)
	}

	l.sim.observer.delivered(l, numbers, string(f.Condition))

	if l.host.chance(deliverAfter) {
		l.sim.cover(deliverAfter)

		return errDestination
	}

	return nil
}

// stop tells the mapping to stop, and holds it to its time.
func (l *life) stop() {
	l.sim.observer.stops(l)
	l.cancel()

	limit := l.sim.stopLimit()

	l.sim.after(limit, func() {
		select {
		case <-l.over:
		default:
			l.sim.observer.violate(11, "%s has not returned %v after its stop", l.name, limit)
		}
	})
}

// kill ends the process: nothing that it does has any effect from now on. Its
// goroutines, which a real kill would end, run into errors.
func (l *life) kill() {
	l.sim.observer.kills(l)
	l.finish.Do(func() { close(l.over) })
	close(l.dead)
	l.host.die()
	l.cancel()
}

func (l *life) isOver() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}

func (l *life) isStopping() bool {
	l.sim.observer.mu.Lock()
	defer l.sim.observer.mu.Unlock()

	return !l.stopped.IsZero()
}

// OnNewClient is a hook of the client.
func (l *life) OnNewClient(client *kgo.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.clients = append(l.clients, client)
}

// member is what the group calls this process.
func (l *life) member() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	if len(l.clients) == 0 {
		return ""
	}

	client := l.clients[len(l.clients)-1]
	id, _ := client.GroupMetadata()

	return id
}

// OnBrokerConnect is a hook of the client.
func (l *life) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	const dial = -1

	if err != nil {
		l.count(dial)
	}
}

// OnBrokerWrite is a hook of the client.
func (l *life) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	l.count(key)
}

// count holds requests against P9.
func (l *life) count(key int16) {
	const most = 300

	l.mu.Lock()
	defer l.mu.Unlock()

	l.total++

	c := l.asked[key]
	if c == nil {
		c = new(second)
		l.asked[key] = c
	}

	if now := time.Now().Unix(); now != c.at {
		c.at, c.n = now, 0
	}

	c.n++
	l.sim.peak(kmsg.Key(key).Name(), c.n)

	if c.n > most {
		l.sim.observer.violate(9, "a hot loop: %s makes more than %d requests of kind %s in one second", l.name, most, kmsg.Key(key).Name())
	}
}

// peak notes the most requests of a kind in one second.
func (s *sim) peak(kind string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.coverage["peak "+kind] = max(s.coverage["peak "+kind], n)
}

func (l *life) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.total
}

// watched is the source, whose lanes are watched.
type watched struct {
	*kafka.Source

	life *life
}

// Accept returns a lane that tells the observer what becomes of it.
func (w *watched) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := w.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}

	switch p.(type) {
	case sources.Releaser, sources.Failer, sources.WindowKeeper:
		panic("the simulation hides an ability of the partition")
	}

	revocable, _ := p.(sources.Revocable)
	describer, _ := p.(sources.RecordDescriber)
	lane := &watchedLane{Partition: p, Revocable: revocable, RecordDescriber: describer, life: w.life, member: w.life.member()}
	w.life.sim.observer.opens(lane)

	return lane, nil
}

// Close tells that the source is closed.
func (w *watched) Close(ctx context.Context) error {
	err := w.Source.Close(ctx)
	w.life.sim.observer.logf("%s has left: %v", w.life.name, err)

	return err
}

// watchedLane is a lane.
type watchedLane struct {
	sources.Partition
	sources.Revocable
	sources.RecordDescriber

	life   *life
	member string // what the group called the process

	// Guarded by the observer's mutex: how often the member had joined, and when the
	// lane was opened, asked back, lost, and closed.
	joined                      int
	opened, asked, lost, closed time.Time
}

// OnRevoke is in between.
func (w *watchedLane) OnRevoke(revoked, lost func()) {
	o := w.life.sim.observer

	w.Revocable.OnRevoke(
		func() {
			o.revoked(w)
			revoked()
		},
		func() {
			o.loses(w)
			lost()
		},
	)
}

// Fetch notes what is handed out.
func (w *watchedLane) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := w.Partition.Fetch(ctx, buf, wait)
	if n > 0 {
		w.life.handed(w, buf[:n])
	}

	return n, err
}

// Ack looks whether the broker has what it says to be settled.
func (w *watchedLane) Ack(ctx context.Context, records []sources.Record) error {
	err := w.Partition.Ack(ctx, records)
	if err != nil || len(records) == 0 {
		return err
	}

	if info := w.life.sim.cluster.GroupInfo(simGroup); info != nil {
		w.life.sim.observer.acked(w, records[len(records)-1], info)
	}

	return nil
}

// Close notes that.
func (w *watchedLane) Close(ctx context.Context) error {
	w.life.sim.observer.closes(w)

	return w.Partition.Close(ctx)
}

// handed notes which lane records are from.
func (l *life) handed(w *watchedLane, records []sources.Record) {
	l.mu.Lock()

	for i := range records {
		l.lanes[records[i].ID] = w
	}

	l.mu.Unlock()
	l.sim.observer.handed(w, records)
}

func (l *life) lane(id string) *watchedLane {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.lanes[id]
}
