package simulation

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// Kind is a kind of world that can be simulated.
type Kind struct {
	// Name names it on the command line.
	Name string
	// Ordered, Redelivers and Grouped are as in sources.Traits.
	Ordered, Redelivers, Grouped bool
	// Ahead is how many records of a partition an unordered source may hold for
	// later besides those that it has given to the lanes.
	Ahead int
	// Members is how many processes may read the source at once, as Scenario.Members
	// says; 0 means one.
	Members int
	// Drifts says that a seed does not always take the same course, because what clients do
	// between two calls is not all in the simulation's hands. See [Replay].
	Drifts bool
	// Strays says that a seed takes another course now and then: two things of the client
	// that fall into one instant, such as a timer and a call, go one way or the other. Of
	// the seeds that are simulated twice nine in ten must take the same course.
	Strays bool
	// Patience is how long draining may take without faults; 0 means 48 hours.
	Patience time.Duration
	// New returns the world of one simulation.
	New func(*Sim) World
	// ReadsAhead says that calls to read are made beside the Fetch that is served, so
	// that one that was sent before a stop may have its turn long after it.
	ReadsAhead bool
}

// World is the service that a simulated mapping reads, and all that outlives
// the mapping's process. Its methods are called from the simulation's goroutine,
// one at a time. It tells the simulation's [Observer] what goes in and out by
// its own books.
type World interface {
	// Open returns a source as a new process makes it. The source's calls pass
	// [Life.Call], or reach a service whose calls do.
	Open(life *Life) sources.Source
	// Send puts a record in.
	Send(record Record)
	// Disturb does what happens to such a service besides failing calls: a
	// partition is split, merged or lost.
	Disturb()
	// Killed tells that the process has died.
	Killed(life *Life)
	// Decode reads an event document.
	Decode(payload []byte) []Item
	// Close ends the world, after the last life.
	Close()
}

// observing is a world that is told what the mapping of a life observes, by the mapping's
// own goroutines.
type observing interface {
	Observed(life *Life, observation esm.Observation)
}

// calming is a world with misfortunes of its own, which end with the others.
type calming interface {
	Calm()
}

// identifying is a world whose event documents name records otherwise than by their ID
// as a text.
type identifying interface {
	// Identifier is the JSON value that names a record.
	Identifier(id string) string
}

// Record is what is sent to a world.
type Record struct {
	// Number tells the record from all others of the simulation.
	Number int
	// Key is the partition key or message group; "" for none.
	Key string
	// Data is the body, a JSON object that holds the number.
	Data []byte
}

// Item is a record as a handler gets it.
type Item struct {
	Number int
	// ID is what batchItemFailures names.
	ID string
}

// body returns the data of record n, at least size bytes long.
func body(n, size int) []byte {
	text := fmt.Sprintf(`{"n":%d,"pad":"`, n)
	return []byte(text + strings.Repeat("x", max(size-len(text)-2, 0)) + `"}`)
}

// Number returns the number of the record whose data this is, -1 if it is none.
func Number(data []byte) int {
	const prefix = `{"n":`
	rest, ok := bytes.CutPrefix(data, []byte(prefix))
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(string(rest[:max(bytes.IndexByte(rest, ','), 0)]))
	if err != nil {
		return -1
	}
	return n
}

// model is what the two models of services have in common.
type model struct {
	sim *Sim
}

// recordBytes is what a model's record counts for besides its size.
const recordBytes = 100

// maxBytes is the most that a record takes.
func (s *Scenario) maxBytes() int {
	const smallest = 40 // bytes of data, though Size may be less
	return max(s.Size, smallest) + 1 + recordBytes
}

// overhead is the size of a model's event document without records.
const overhead = 2

func (m model) traits() sources.Traits {
	const (
		maxRecords    = 10_000
		longestWindow = 300 * time.Second
		longestRun    = 900 * time.Second
	)
	scaling := sources.Scaling{Initial: 3, Idle: 2, Max: 20, PerMinute: 60}
	if s := m.sim.Scenario.Scaling; s != nil {
		scaling = *s
	}
	return sources.Traits{
		EventSource:   "simulation",
		ARN:           "arn:aws:simulation:::" + m.sim.kind.Name,
		Ordered:       m.sim.kind.Ordered,
		Redelivers:    m.sim.kind.Redelivers,
		Grouped:       m.sim.kind.Grouped,
		RetryNamed:    m.sim.Scenario.Named,
		ReadsAhead:    m.sim.Scenario.Ahead,
		BatchSize:     sources.Bounds[int]{Default: 10, Max: maxRecords},
		Window:        sources.Bounds[time.Duration]{Max: longestWindow},
		MaxTimeout:    longestRun,
		EventOverhead: overhead,
		Scaling:       scaling,

		RecordBytes:    recordBytes,
		MaxRecordBytes: m.sim.Scenario.maxBytes(),

		AckBatch:  m.sim.Scenario.AckBatch,
		AckLinger: m.sim.Scenario.AckLinger,
	}
}

// start checks nothing, but may fail.
func (model) start(ctx context.Context, life *Life) error {
	return life.attempt(ctx, OpStart, "start", func() error { return nil })
}

// AppendEvent writes an array of the records' data.
func (model) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	dst = append(dst, '[')
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, records[i].Data...)
	}
	return append(dst, ']')
}

// Decode reads it again.
func (model) Decode(payload []byte) []Item {
	var items []Item
	for i := 1; i < len(payload); {
		end := bytes.IndexByte(payload[i:], '}') + i + 1
		items = append(items, item(payload[i:end]))
		i = end + 1
	}
	return items
}

func item(data []byte) Item {
	n := Number(data)
	return Item{Number: n, ID: id(n)}
}

func id(n int) string { return "r" + strconv.Itoa(n) }

// record is a message as the engine gets it.
func (m *message) record() sources.Record {
	return sources.Record{
		ID: id(m.Number), Key: m.Key, Data: m.Data, Native: &receipt{m, m.handle},
		Time: m.sent, Size: len(m.Data) + 1,
	}
}

// message is a record in a model.
type message struct {
	Record

	sent     time.Time
	hidden   time.Time // until when it is nobody else's
	holder   *queuePartition
	receives int
	handle   int // changes with each receive
	gone     bool
}

// receipt is what a receive gave.
type receipt struct {
	message *message
	handle  int
}

func receiptOf(r *sources.Record) *receipt {
	given, ok := r.Native.(*receipt)
	if !ok {
		panic("simulation: a record that this world did not give")
	}
	return given
}

// labels names records in the label of a call.
func labels(verb string, records []sources.Record) string {
	var b strings.Builder
	b.WriteString(verb)
	for i := range records {
		b.WriteByte(' ')
		b.WriteString(records[i].ID)
	}
	return b.String()
}
