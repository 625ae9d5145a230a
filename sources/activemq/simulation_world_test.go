package activemq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// world is a broker as the world of a simulation: the fake, which does one thing at a
// time, when the simulation lets it.
type world struct {
	sim    *simulation.Sim
	broker *activemqtest.Broker

	mu        sync.Mutex
	processes []*process
}

// process is a life's end of its connections.
type process struct {
	life  *simulation.Life
	name  string
	reads atomic.Bool // it has started
	dead  atomic.Bool
}

func plainWorld(s *simulation.Sim) simulation.World { return newWorld(s) }

func groupedWorld(s *simulation.Sim) simulation.World { return newWorld(s) }

func newWorld(s *simulation.Sim) *world {
	const longest = 14 * time.Minute // MQ-12
	c := &s.Scenario.Config
	c.Timeout = min(c.Timeout, longest)
	random := rand.New(rand.NewPCG(s.Scenario.Seed, 3))
	if envelopes := 1 + random.IntN(4); c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes += envelopes * size(simulation.Record{})
	}
	w := &world{sim: s, broker: activemqtest.NewBroker()}
	w.broker.AddQueue(queue)
	w.broker.SetGate(w)
	w.broker.SetWatch(w.watch)
	return w
}

// Open returns the source of a new process.
func (w *world) Open(life *simulation.Life) sources.Source {
	p := &process{life: life, name: fmt.Sprintf("life%d", life.Number())}
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	o := options(w.broker)
	o.Name = p.name
	o.PrefetchBytes = w.sim.Scenario.Config.MaximumBufferedBytes
	source, err := activemq.New(o)
	if err != nil {
		panic(err)
	}
	source.SetJitter(func() float64 {
		return rand.New(rand.NewPCG(w.sim.Scenario.Seed, uint64(time.Now().UnixNano()))).Float64()
	})
	return &noted{Source: source, process: p}
}

// noted notes that its process has started.
type noted struct {
	*activemq.Source

	process *process
}

// Unwrap leads to the abilities.
func (s *noted) Unwrap() sources.Source { return s.Source }

func (s *noted) Accept(ctx context.Context) (sources.Partition, error) {
	s.process.reads.Store(true)
	return s.Source.Accept(ctx)
}

// Send puts a message into the queue.
func (w *world) Send(r simulation.Record) {
	m := activemqtest.Text(string(r.Data))
	now := time.Now()
	m.Properties = &amqp.MessageProperties{CreationTime: &now, MessageID: "ID:" + strconv.Itoa(r.Number)}
	if r.Key != "" {
		m.Properties.GroupID = &r.Key
	}
	w.sim.Observer().Entered(r, queue, size(r))
	w.broker.Send(queue, m)
}

// size is what a record takes in an event document.
func size(r simulation.Record) int {
	const moment = 946_684_800_000 // has as many digits as those of a simulation
	d := eventjson.ActiveMQMessage{
		MessageID: "ID:" + strconv.Itoa(r.Number), Text: true, Persistent: true, Destination: queue, Data: r.Data, Priority: 4,
		Timestamp: moment, BrokerInTime: moment, BrokerOutTime: moment,
	}
	return d.Size()
}

// Disturb cuts all connections.
func (w *world) Disturb() {
	for _, p := range w.processes {
		if w.broker.CutConnections(p.name+"-") > 0 {
			w.sim.Cover("cut")
			w.failing(p, simulation.OpFetch)
		}
	}
}

// Killed cuts the connections of the process.
func (w *world) Killed(life *simulation.Life) {
	for _, p := range w.processes {
		if p.life == life {
			p.dead.Store(true)
			w.broker.CutConnections(p.name + "-")
		}
	}
}

// Close has nothing to end.
func (*world) Close() {}

// Decode reads an event document.
func (*world) Decode(payload []byte) []simulation.Item {
	var event events.ActiveMQEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		panic(err)
	}
	items := make([]simulation.Item, len(event.Messages))
	for i, m := range event.Messages {
		n, err := strconv.Atoi(strings.TrimPrefix(m.MessageID, "ID:"))
		if err != nil {
			panic(err)
		}
		items[i] = simulation.Item{Number: n, ID: m.MessageID}
	}
	return items
}

// process is the one that a connection is of.
func (w *world) process(container string) *process {
	name, _, _ := strings.Cut(container, "-")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		if p.name == name {
			return p
		}
	}
	panic("no process has connection " + container)
}

// watch tells the observer what the broker's books say.
func (w *world) watch(e activemqtest.Event) {
	if e.Queue != queue {
		return
	}
	body, _ := e.Message.Value.(string)
	number, observer := simulation.Number([]byte(body)), w.sim.Observer()
	switch e.What {
	case activemqtest.Delivered:
		observer.Handed(w.process(e.Container).life, number)
	case activemqtest.Settled:
		observer.Settled(w.process(e.Container).life, number)
	case activemqtest.Returned:
		observer.Returned(number)
	case activemqtest.Buried:
		observer.Redriven(number)
	}
}

// operation is the scenario's name for a call.
func (w *world) operation(p *process, c activemqtest.Call) simulation.Op {
	switch {
	case c.Do == "Attach" && !p.reads.Load():
		return simulation.OpStart
	case c.Do == "Attach":
		return simulation.OpFetch
	case c.Do == "Settle" && c.Outcome == activemq.Accepted:
		return simulation.OpAck
	case c.Do == "Settle":
		return simulation.OpRelease
	default:
		return simulation.OpClose
	}
}

var errWeather = errors.New("the broker is not available")

// Pass lets a call through in its turn.
func (w *world) Pass(ctx context.Context, c activemqtest.Call, do func() error) error {
	p := w.process(c.Container)
	op := w.operation(p, c)
	label := string(op) + " " + c.Do
	var labelSb213 strings.Builder
	for _, m := range c.Messages {
		labelSb213.WriteString(" " + fmt.Sprint(m.Properties.MessageID))
	}
	label += labelSb213.String()
	hung := false
	err := p.life.Call(ctx, label, func() error {
		_, hung = w.sim.Hung(op)
		before := w.sim.Chance(simulation.Fault(op) + " before")
		if hung || before {
			w.failing(p, op)
			return errWeather
		}
		err := do()
		if w.sim.Chance(simulation.Fault(op) + " after") {
			w.failing(p, op)
			if c.Do == "Attach" { // nobody has the connection
				w.broker.CutConnections(c.Container)
			}
			return errWeather
		}
		return err
	})
	if hung {
		p.life.Hang(ctx, label)
		return errWeather
	}
	return err
}

func (w *world) failing(p *process, op simulation.Op) { w.sim.Observer().Failed(p.life, op) }

// After has the broker send something in its turn.
func (w *world) After(d time.Duration, name string, run func()) { w.sim.After(d, "deliver "+name, run) }
