package rabbitmq_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
)

// cost is what a contestant took: time, and processor time of this process, which the
// broker has no part in.
type cost struct{ wall, cpu time.Duration }

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// meter takes the cost from the first batch that was settled to the last.
type meter struct {
	began       time.Time
	first, last cost
}

func (m *meter) settled(b *testing.B) {
	b.Helper()
	if m.began.IsZero() {
		m.began, m.first.cpu = time.Now(), cpuTime(b)
	}
	m.last = cost{time.Since(m.began), cpuTime(b)}
}

func (m *meter) cost() cost { return cost{m.last.wall, m.last.cpu - m.first.cpu} }

// BenchmarkReal compares a mapping with a bare loop of the client that consumes and
// acknowledges: batches of 100, with one frame for each. The loop has two batches prefetched,
// the mapping one, or two as well (ReadAhead). They take turns, on a queue that is filled before each, and are timed from their first batch to the last.
func BenchmarkReal(b *testing.B) {
	const (
		messages = 20_000
		batch    = 100
	)
	contestants := []struct {
		name string
		read func(b *testing.B, queue string, messages, batch int) cost
	}{{"bare", bareLoop}, {"records", mappingOf(noRecords, false)}, {"ahead", mappingOf(noRecords, true)}, {"documents", mappingOf(noBytes, true)}}
	for _, size := range []int{100, 1000} {
		b.Run(strconv.Itoa(size)+"B", func(b *testing.B) {
			conn := realConnection(b)
			defer func() { _ = conn.Close() }()
			queue := "openesm-bench-" + strconv.Itoa(size)
			costs := make([][]cost, len(contestants))
			for b.Loop() {
				for i, c := range contestants {
					fill(b, conn, queue, messages, size)
					costs[i] = append(costs[i], c.read(b, queue, messages, batch))
				}
			}
			realRemove(conn, queue)
			median := func(i int, of func(cost) time.Duration) float64 {
				slices.SortFunc(costs[i], func(x, y cost) int { return int(of(x) - of(y)) })
				return float64(of(costs[i][len(costs[i])/2]))
			}
			wall, cpu := func(c cost) time.Duration { return c.wall }, func(c cost) time.Duration { return c.cpu }
			for i, c := range contestants[1:] {
				b.ReportMetric(median(0, wall)/median(i+1, wall), c.name+"-rate/bare")
				b.ReportMetric(median(i+1, cpu)/median(0, cpu), c.name+"-cpu/bare")
			}
			b.ReportMetric(messages/median(0, wall)*float64(time.Second), "bare/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// fill makes a queue of so many messages.
func fill(b *testing.B, conn *amqp.Connection, queue string, messages, size int) {
	b.Helper()
	channel, err := conn.Channel()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = channel.Close() }()
	if _, err = channel.QueueDeclare(queue, false, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
	if err = channel.Confirm(false); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, size)
	var last *amqp.DeferredConfirmation
	for range messages {
		if last, err = channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false, amqp.Publishing{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	if !last.Wait() {
		b.Fatal("not confirmed")
	}
}

// bareLoop is what one writes by hand.
func bareLoop(b *testing.B, queue string, messages, batch int) cost {
	b.Helper()
	conn := realConnection(b)
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Qos(2*batch, 0, false)
	}
	if err != nil {
		b.Fatal(err)
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	var m meter
	for n := 1; n <= messages; n++ {
		d := <-deliveries
		if n%batch == 0 {
			if err = d.Ack(true); err != nil {
				b.Fatal(err)
			}
			m.settled(b)
		}
	}
	if err = channel.Close(); err != nil {
		b.Fatal(err)
	}
	return m.cost()
}

var (
	noRecords = esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
	noBytes   = esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
)

func mappingOf(handler esm.Handler, ahead bool) func(b *testing.B, queue string, messages, batch int) cost {
	return func(b *testing.B, queue string, messages, batch int) cost {
		b.Helper()
		username, password := realLogin()
		source, err := rabbitmq.New(rabbitmq.Options{
			Endpoints: []string{"amqp://" + realAddress(b, "OPENESM_RABBITMQ")}, Queue: queue, Access: rabbitmq.BasicAuth(username, password),
			ReadAhead: ahead,
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var m meter
		handled := 0 // there is one lane
		mapping, err := esm.New(source, handler, esm.Config{
			BatchSize: batch, Logger: slog.New(slog.DiscardHandler), Observer: func(o esm.Observation) {
				if o.Metric != esm.DeletedEventCount {
					return
				}
				m.settled(b)
				if handled += o.Count; handled == messages {
					cancel()
				}
			},
		})
		if err == nil {
			err = mapping.Run(ctx)
		}
		if err != nil {
			b.Fatal(err)
		}
		return m.cost()
	}
}
