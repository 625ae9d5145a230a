package rabbitmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

func simulated() []simulation.Kind {
	return []simulation.Kind{
		{Name: "rabbitmq", Drifts: true, New: func(s *simulation.Sim) simulation.World { return newWorld(s, false) }},
		{Name: "rabbitmq-quorum", Drifts: true, New: func(s *simulation.Sim) simulation.World { return newWorld(s, true) }},
	}
}

// TestSimulation simulates whole mappings from seeds (P1 to P12): the engine, this adapter
// and the broker in the process. Flags choose the seeds: -simulation.seeds,
// -simulation.first, -simulation.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 30
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			t.Log(simulation.Attack(t, kind, seeds, "stop", "kill", "poison", "fetch before", "fetch after", "ack before",
				"ack after", "start before", "start after", "connection cut", "released"))
		})
	}
}

// TestKillAtEveryPoint kills the process before and after each thing that happens (P12).
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			simulation.Enumerate(t, kind)
		})
	}
}

// world is RabbitMQ as the world of a simulation. What is handed out counts from when a
// Fetch returns it: what the adapter has fetched ahead is the broker's.
type world struct {
	sim     *simulation.Sim
	broker  *rabbitmqtest.Broker
	current *process
	held    map[int]bool // that the engine has; of the simulation's goroutine
}

// process is a life's end of the connection.
type process struct {
	world   *world
	life    *simulation.Life
	client  *rabbitmqtest.Client
	started atomic.Bool
}

func newWorld(s *simulation.Sim, quorum bool) *world {
	w := &world{sim: s, held: map[int]bool{}}
	// AMQP does not say how large a message may be: one Fetch may exceed it by a batch.
	s.Scenario.Config.MaximumBufferedBytes = 0
	s.Scenario.Config.Timeout = min(s.Scenario.Config.Timeout, 14*time.Minute) // MQ-12
	if c := &s.Scenario.Config; c.MaximumBatchBytes > 0 {
		const document = 200
		c.MaximumBatchBytes += document + int(1+s.Scenario.Seed%4)*size(make([]byte, max(s.Scenario.Size, 40)))
	}
	w.broker = rabbitmqtest.NewBroker(rabbitmqtest.Options{ConsumerTimeout: 10_000 * time.Hour, Watch: w.watch})
	w.broker.Declare(queueName, rabbitmqtest.QueueOptions{Quorum: quorum})
	return w
}

// watch tells the observer what the broker's books say. Messages come back and go in the
// simulation's goroutine only: calls are made, and connections cut, in their turn.
func (w *world) watch(e rabbitmqtest.Event) {
	n := simulation.Number(e.Body)
	switch e.What {
	case "acked":
		delete(w.held, n)
		w.sim.Observer().Settled(w.current.life, n)
	case "returned":
		if w.held[n] {
			delete(w.held, n)
			w.sim.Observer().Returned(n)
		}
	case "delivered":
	}
}

// Open returns the source of a new process.
func (w *world) Open(life *simulation.Life) sources.Source {
	p := &process{world: w, life: life}
	p.client = w.broker.Client(p.call)
	w.current = p
	o := options(w.broker)
	o.Dialer = p.client
	source, err := rabbitmq.New(o)
	if err != nil {
		panic(err)
	}
	return &orderly{Source: source, process: p}
}

var errWeather = errors.New("connection reset")

// call makes a call in its turn. One that fails cuts its connection, as far as it has one.
func (p *process) call(c rabbitmqtest.Call) error {
	op, name := simulation.OpFetch, strings.ToLower(c.Name)
	switch {
	case c.Name == "Ack" || c.Name == "Nack":
		op = simulation.OpAck
	case c.Name == "Close" || c.Name == "CloseDeadline" || c.Name == "Cancel":
		op = simulation.OpClose
	case !p.started.Load():
		op = simulation.OpStart
	}
	return p.life.Call(context.Background(), "amqp "+name, func() error {
		if op == simulation.OpClose { // which must not be in vain for ever
			return c.Do()
		}
		var own error
		err := p.world.sim.Faulty(op, func() error {
			own = c.Do()
			return own
		})
		if err != nil && !errors.Is(err, own) {
			p.world.sim.Cover("connection cut")
			c.Cut()
			return errWeather
		}
		return err
	})
}

// size is at least what a message takes in the event document.
func size(body []byte) int {
	const frame = 420
	return frame + len(body)*4/3
}

// Send puts a message into the queue.
func (w *world) Send(r simulation.Record) {
	w.sim.Observer().Entered(r, "queue", size(r.Data))
	if err := w.broker.Publish(queueName, amqp.Publishing{MessageId: fmt.Sprint("r", r.Number), Body: r.Data}); err != nil {
		panic(err)
	}
}

// Disturb cuts the connection.
func (w *world) Disturb() { w.current.client.Cut() }

// Killed cuts the process off.
func (w *world) Killed(*simulation.Life) { w.current.client.Cut() }

// Close ends the broker.
func (w *world) Close() { w.broker.Close() }

// Decode reads an event document.
func (*world) Decode(payload []byte) []simulation.Item {
	var event struct {
		Queues map[string][]struct {
			BasicProperties struct {
				MessageID string `json:"messageId"`
			} `json:"basicProperties"`
			Data []byte `json:"data"`
		} `json:"rmqMessagesByQueue"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	var items []simulation.Item
	for _, m := range event.Queues[queueName+"::/"] {
		items = append(items, simulation.Item{Number: simulation.Number(m.Data), ID: m.BasicProperties.MessageID})
	}
	return items
}

// orderly is the source with a turn for the end of each Fetch, and of what gives records
// back.
type orderly struct {
	*rabbitmq.Source
	process *process
}

// Unwrap leads to the abilities that are not named here.
func (s *orderly) Unwrap() sources.Source { return s.Source }

func (s *orderly) Start(ctx context.Context, settings sources.Settings) error {
	err := s.Source.Start(ctx, settings)
	if err == nil {
		s.process.started.Store(true)
	}
	return err
}

func (s *orderly) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &orderlyPartition{Partition: p, process: s.process}, nil
}

type orderlyPartition struct {
	sources.Partition
	process *process
	mu      sync.Mutex
	fetches int
}

// Unwrap leads to the abilities that are not named here.
func (p *orderlyPartition) Unwrap() sources.Partition { return p.Partition }

// Fetch tells what the engine gets, unless the broker has taken it back meanwhile.
func (p *orderlyPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	p.mu.Lock()
	p.fetches++
	label := fmt.Sprintf("got %9d", p.fetches)
	p.mu.Unlock()
	n, err := p.Partition.Fetch(ctx, buf, wait)
	holder, _ := p.Partition.(sources.Holder)
	p.turn(label, func() {
		for i := range buf[:n] {
			if number := simulation.Number(buf[i].Data); holder.Holds(&buf[i]) && !p.process.life.Over() {
				p.process.world.held[number] = true
				p.process.world.sim.Observer().Handed(p.process.life, number)
			}
		}
	})
	return n, err
}

// Release tells that the mapping gave records back.
func (p *orderlyPartition) Release(ctx context.Context, records []sources.Record) error {
	p.turn("release "+records[0].ID, func() {
		w := p.process.world
		for i := range records {
			if n := simulation.Number(records[i].Data); w.held[n] {
				delete(w.held, n)
				w.sim.Cover("released")
				w.sim.Observer().Released(n)
				w.sim.Observer().Returned(n)
			}
		}
	})
	releaser, _ := p.Partition.(sources.Releaser)
	return releaser.Release(ctx, records)
}

// turn does something in its turn.
func (p *orderlyPartition) turn(label string, do func()) {
	done := make(chan struct{})
	p.process.world.sim.After(0, label, func() {
		do()
		close(done)
	})
	<-done
}
