package memory_test

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

const (
	flight = 3 * time.Second // visibility timeout of the model's queue
	lives  = 3               // its MaxReceiveCount
	limit  = 2 * time.Second // the time limit of a mapping that was started
	longer = 32 * time.Second
)

// queueModel is a queue beside a list of its messages.
type queueModel struct {
	t         *testing.T
	fifo      bool
	queue     *memory.Queue
	dead      *memory.Queue
	source    sources.Source
	partition sources.Partition

	messages          []*messageModel // those in the queue, the next first
	receipts          []receiptModel
	sent, gone, moved int

	hidden time.Duration // how long a flight is
	hides  int
}

type messageModel struct {
	body, group string
	receives    int
	due         time.Time // end of the flight
	received    time.Time
	flight      int  // counts how often any was hidden
	failed      bool // in this flight
	flying      bool
	deleted     bool
}

// receiptModel is one receive of a message.
type receiptModel struct {
	record  sources.Record
	message *messageModel
	receive int
}

// newQueueModel makes a queue that is read as a mapping does it, or as a reader that
// says nothing of its time limit.
func newQueueModel(t *testing.T, fifo, mapping bool) *queueModel {
	t.Helper()
	m := &queueModel{t: t, fifo: fifo, hidden: flight, dead: memory.NewQueue(memory.QueueOptions{FIFO: fifo})}
	m.queue = memory.NewQueue(memory.QueueOptions{
		FIFO: fifo, VisibilityTimeout: flight, MaxReceiveCount: lives, DeadLetter: m.dead,
	})
	m.source = m.queue.Source()
	if mapping {
		m.hidden = longer
		if err := m.source.(sources.Starter).Start(t.Context(), sources.Settings{Timeout: limit}); err != nil {
			t.Fatal(err)
		}
	}
	m.partition = accept(t, m.source)
	return m
}

func (m *queueModel) drop(x *messageModel) {
	m.messages = slices.DeleteFunc(m.messages, func(y *messageModel) bool { return y == x })
}

// hide has a message in flight until due.
func (m *queueModel) hide(x *messageModel, due time.Time, failed bool) {
	m.hides++
	x.flying, x.due, x.failed, x.flight = true, due, failed, m.hides
}

// expire ends flights, the first due first, at one time those that did not fail. In a standard queue what comes back is
// last in line; in a FIFO queue it never left it.
func (m *queueModel) expire() {
	var back []*messageModel
	for _, x := range m.messages {
		if x.flying && !x.due.After(time.Now()) {
			x.flying = false
			back = append(back, x)
		}
	}
	if m.fifo {
		return
	}
	slices.SortFunc(back, func(x, y *messageModel) int {
		if c := x.due.Compare(y.due); c != 0 || x.failed == y.failed {
			return cmp.Or(c, x.flight-y.flight)
		} else if x.failed {
			return 1
		}
		return -1
	})
	for _, x := range back {
		m.drop(x)
		m.messages = append(m.messages, x)
	}
}

// withheld tells whether a message's group has others in flight.
func (m *queueModel) withheld(x *messageModel) bool {
	return m.fifo && slices.ContainsFunc(m.messages, func(y *messageModel) bool { return y.flying && y.group == x.group })
}

// fetch checks what is handed out: the messages that may be, in order, as many
// as there is room for, in a FIFO queue those of each group.
func (m *queueModel) fetch(places int) {
	var may []*messageModel
	for _, x := range m.messages {
		if !x.flying && !m.withheld(x) {
			may = append(may, x)
		}
	}
	got := fetch(m.t, m.partition, places, 0)
	may = m.bury(may)
	if len(got) != min(places, len(may)) {
		m.t.Fatalf("%d records for %d places, %d could be had", len(got), places, len(may))
	}
	size := m.source.Traits().EventOverhead
	for _, record := range got {
		at := slices.IndexFunc(may, func(x *messageModel) bool { return !m.fifo || x.group == record.Key })
		if at < 0 || may[at].body != string(record.Data) || may[at].receives == lives {
			m.t.Fatalf("%q was handed out, which is not next", record.Data)
		}
		x := may[at]
		may = slices.Delete(may, at, at+1)
		x.receives++
		x.received = time.Now()
		m.hide(x, x.received.Add(m.hidden), false)
		m.receipts = append(m.receipts, receiptModel{record, x, x.receives})
		size += record.Size
		if record.Expires != x.due || record.Native.(*memory.Message).ReceiveCount != x.receives {
			m.t.Fatalf("record %+v of %+v", record, x)
		}
	}
	if n := len(m.source.(sources.EventAppender).AppendEvent(nil, "", got)); len(got) > 0 && n != size {
		m.t.Fatalf("an event document of %d bytes, sizes add up to %d", n, size)
	}
}

// bury takes out what moved to the dead-letter queue, which only messages do
// that were received too often and could be had.
func (m *queueModel) bury(may []*messageModel) []*messageModel {
	for _, body := range m.dead.Bodies()[m.moved:] {
		at := slices.IndexFunc(may, func(x *messageModel) bool { return x.body == body && x.receives == lives })
		if at < 0 {
			m.t.Fatalf("%q is in the dead-letter queue", body)
		}
		m.drop(may[at])
		may = slices.Delete(may, at, at+1)
		m.moved++
	}
	return may
}

// settle acks or releases. What is not in flight by this receive is stale,
// unless it is deleted.
func (m *queueModel) settle(ack bool, some []receiptModel) {
	var (
		records []sources.Record
		stale   []string
		back    []*messageModel
	)
	for _, r := range some {
		records = append(records, r.record)
		switch flying := r.message.flying && r.receive == r.message.receives; {
		case flying && ack:
			m.drop(r.message)
			r.message.flying, r.message.deleted = false, true
			m.gone++
		case flying:
			r.message.flying = false
			back = append(back, r.message)
		case !r.message.deleted:
			stale = append(stale, r.message.body)
		}
	}
	if !ack {
		if !m.fifo { // they come first again
			for _, x := range back {
				m.drop(x)
			}
			m.messages = append(back, m.messages...)
		}
		if err := m.partition.(sources.Releaser).Release(m.t.Context(), records); err != nil {
			m.t.Fatalf("Release: %v", err)
		}
		return
	}
	err := m.partition.Ack(m.t.Context(), records)
	var got []string
	if partial, ok := errors.AsType[*sources.AckError](err); ok {
		got = texts(partial.Stale)
	}
	if !slices.Equal(got, stale) || (err != nil) != (len(stale) > 0) {
		m.t.Fatalf("Ack of %q: %v, stale %q, want %q", texts(records), err, got, stale)
	}
}

// fail has messages come back when their queue's visibility timeout is over.
func (m *queueModel) fail(some []receiptModel) {
	var records []sources.Record
	for _, r := range some {
		records = append(records, r.record)
		if r.message.flying && r.receive == r.message.receives {
			m.hide(r.message, r.message.received.Add(flight), true)
		}
	}
	if err := m.partition.(sources.Failer).Fail(m.t.Context(), records); err != nil {
		m.t.Fatalf("Fail: %v", err)
	}
}

// extend hides messages as long as if they were received now.
func (m *queueModel) extend(some []receiptModel) {
	var records []sources.Record
	held := 0
	for _, r := range some {
		records = append(records, r.record)
		if r.message.flying && r.receive == r.message.receives {
			m.hide(r.message, time.Now().Add(m.hidden), false)
			held++
		}
	}
	err := m.partition.(sources.Extender).Extend(m.t.Context(), records)
	if (err == nil) != (held == len(records)) {
		m.t.Fatalf("Extend of %d, of which %d are held: %v", len(records), held, err)
	}
	for i, r := range some {
		if r.message.flying && r.receive == r.message.receives && records[i].Expires != r.message.due {
			m.t.Fatalf("extended until %v, want %v", records[i].Expires, r.message.due)
		}
	}
}

func texts(records []sources.Record) []string {
	var all []string
	for i := range records {
		all = append(all, string(records[i].Data))
	}
	return all
}

func (m *queueModel) step(kind byte, value int) {
	m.expire()
	switch kind {
	case 0:
		x := &messageModel{body: strconv.Itoa(m.sent), group: strconv.Itoa(value % 3)}
		m.queue.SendGroup(x.group, x.body)
		m.messages = append(m.messages, x)
		m.sent++
	case 1:
		m.fetch(1 + value%12)
	case 2, 3, 5, 6:
		if len(m.receipts) == 0 {
			return
		}
		from := value % len(m.receipts)
		some := m.receipts[from:min(from+1+value/64, len(m.receipts))]
		switch kind {
		case 5:
			m.fail(some)
			m.expire()
		case 6:
			m.extend(some)
		default:
			m.settle(kind == 2, some)
		}
	default:
		time.Sleep(time.Duration(value) * 100 * time.Millisecond)
		m.expire()
	}
}

// look compares what can be looked at.
func (m *queueModel) look(step int) {
	m.t.Helper()
	flying := 0
	for _, x := range m.messages {
		if x.flying {
			flying++
		}
	}
	if m.queue.Len() != len(m.messages) || m.queue.InFlight() != flying || m.queue.Visible() != len(m.messages)-flying ||
		m.queue.Deleted() != m.gone || m.queue.DeadLettered() != m.moved || len(m.messages)+m.gone+m.moved != m.sent {
		m.t.Fatalf("step %d: %d messages, %d in flight, %d deleted, %d dead-lettered; want %d, %d, %d, %d", step, m.queue.Len(),
			m.queue.InFlight(), m.queue.Deleted(), m.queue.DeadLettered(), len(m.messages), flying, m.gone, m.moved)
	}
}

// finish drains the queue, which then ends (P1).
func (m *queueModel) finish() {
	m.t.Helper()
	m.queue.End()
	for {
		buf := make([]sources.Record, 10)
		n, err := m.partition.Fetch(m.t.Context(), buf, time.Hour)
		if errors.Is(err, sources.ErrEnd) {
			break
		}
		ack(m.t, m.partition, buf[:n])
		m.gone += n
	}
	if m.gone+m.queue.DeadLettered() != m.sent || m.queue.Len() != 0 {
		m.t.Errorf("%d deleted and %d dead-lettered of %d, %d left", m.gone, m.queue.DeadLettered(), m.sent, m.queue.Len())
	}
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzQueue sends, fetches, acks, releases, fails, extends and waits in any order, and
// compares with the model. Two bytes are one step.
func FuzzQueue(f *testing.F) {
	f.Add(false, []byte{0, 1, 0, 2, 1, 0, 4, 31, 1, 9, 2, 0, 3, 1, 1, 1, 4, 40, 1, 9})
	f.Add(true, []byte{0, 0, 0, 0, 0, 1, 1, 1, 1, 9, 2, 0, 1, 9, 3, 1, 1, 9, 4, 31, 1, 1, 1, 9})
	f.Add(false, []byte{133, 0, 0, 0, 0, 0, 1, 2, 5, 1, 4, 31, 1, 9, 6, 0, 4, 255, 1, 9, 5, 2, 1, 9})
	f.Add(true, []byte{133, 0, 0, 0, 0, 1, 1, 9, 6, 0, 4, 40, 5, 0, 1, 9, 4, 255, 1, 9})
	f.Add(true, []byte{0, 0, 1, 0, 3, 0, 1, 0, 3, 1, 1, 0, 3, 2, 1, 0, 0, 3, 0, 4, 1, 9})
	for seed := range byte(16) {
		f.Add(seed%2 == 0, noise(seed, 160))
	}
	f.Fuzz(func(t *testing.T, fifo bool, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			m := newQueueModel(t, fifo, len(steps) > 0 && steps[0] >= 128)
			for i := 0; i+1 < min(len(steps), 160); i += 2 {
				m.step(steps[i]%7, int(steps[i+1]))
				m.look(i)
			}
			m.finish()
		})
	})
}
