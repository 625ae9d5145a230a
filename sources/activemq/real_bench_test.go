package activemq_test

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
)

// BenchmarkReal compares a mapping with batches of 100 with a loop that receives and
// accepts with the same client, by turns on the same broker. It tells the median of the
// ratios of their messages a second, and of those that they have for a second on a processor, and how many allocations a message the mapping makes
// beyond those of the loop.
func BenchmarkReal(b *testing.B) {
	const messages, size, rounds = 15_000, 200, 7
	r := newReal(b, "classic")
	body, ids := make([]byte, size), 0
	fill := func() {
		sender := r.sender(r.queue)
		for range messages {
			ids++
			m := &amqp.Message{Data: [][]byte{body}, Properties: &amqp.MessageProperties{MessageID: "ID:" + strconv.Itoa(ids)}}
			err := sender.Send(b.Context(), m, &amqp.SendOptions{Settled: true})
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := sender.Send(b.Context(), &amqp.Message{Data: [][]byte{body}}, nil); err != nil { // all before it are there
			b.Fatal(err)
		}
	}
	for b.Loop() {
		var works, ratios, allocations, loops, mappings []float64
		for range rounds {
			fill()
			loop := bareLoop(b, r, messages+1)
			fill()
			mapping := runMapping(b, r, messages+1)
			ratios = append(ratios, mapping.rate()/loop.rate())
			works = append(works, loop.work()/mapping.work())
			allocations = append(allocations, mapping.each()-loop.each())
			loops = append(loops, loop.rate())
			mappings = append(mappings, mapping.rate())
		}
		b.ReportMetric(mid(ratios), "of-bare-loop")
		b.ReportMetric(mid(works), "of-bare-loop-by-processor-time")
		b.ReportMetric(mid(allocations), "more-allocs/message")
		b.ReportMetric(mid(loops), "loop-messages/s")
		b.ReportMetric(mid(mappings), "messages/s")
	}
	b.ReportMetric(0, "ns/op") // several things at once: no figure
}

// meter measures the middle of a run: neither how it begins, nor how it finds that nothing
// more comes.
type meter struct {
	from, to      int
	seen          int
	start, end    time.Time
	before, after runtime.MemStats
	cpu           [2]time.Duration
}

// cpu is how long this process has run on a processor.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// work is how much processor time a message took.
func (m *meter) work() float64 { return float64(m.cpu[1]-m.cpu[0]) / float64(m.to-m.from) }

func newMeter(messages int) *meter {
	const part = 10
	runtime.GC()
	return &meter{from: messages / part, to: messages - messages/part}
}

func (m *meter) count(n int) {
	was := m.seen
	m.seen += n
	if was < m.from && m.seen >= m.from {
		runtime.ReadMemStats(&m.before)
		m.start, m.cpu[0] = time.Now(), cpu()
	}
	if was < m.to && m.seen >= m.to {
		m.end, m.cpu[1] = time.Now(), cpu()
		runtime.ReadMemStats(&m.after)
	}
}

func (m *meter) rate() float64 { return float64(m.to-m.from) / m.end.Sub(m.start).Seconds() }

func (m *meter) each() float64 {
	return float64(m.after.Mallocs-m.before.Mallocs) / float64(m.to-m.from)
}

func mid(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// bareLoop receives and accepts messages.
func bareLoop(b *testing.B, r *realBroker, messages int) *meter {
	b.Helper()
	const credit = 100
	receiver, err := r.session().NewReceiver(b.Context(), r.queue, &amqp.ReceiverOptions{Credit: credit, SourceCapabilities: []string{"queue"}})
	if err != nil {
		b.Fatal(err)
	}
	meter := newMeter(messages)
	for range messages {
		m, err := receiver.Receive(b.Context(), nil)
		if err == nil {
			err = receiver.AcceptMessage(b.Context(), m)
		}
		if err != nil {
			b.Fatal(err)
		}
		meter.count(1)
	}
	if err := receiver.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return meter
}

// runMapping runs a mapping until its handler had so many messages.
func runMapping(b *testing.B, r *realBroker, messages int) *meter {
	b.Helper()
	source, err := activemq.New(r.options())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var mu sync.Mutex
	meter := newMeter(messages)
	handler := esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if meter.count(len(records)); meter.seen >= messages {
			cancel()
		}
		return esm.Response{}, nil
	})
	mapping, err := esm.New(source, handler, esm.Config{BatchSize: 100, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := mapping.Run(ctx); err != nil {
		b.Fatal(err)
	}
	return meter
}
