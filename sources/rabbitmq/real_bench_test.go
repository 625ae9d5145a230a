package rabbitmq_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
)

// BenchmarkReal compares a mapping with a bare loop of the client that consumes and
// acknowledges: batches of 100, with one frame for each, as much prefetched by both. They
// take turns, on a queue that is filled before each.
func BenchmarkReal(b *testing.B) {
	const (
		messages = 20_000
		batch    = 100
	)
	for _, size := range []int{100, 1000} {
		b.Run(strconv.Itoa(size)+"B", func(b *testing.B) {
			conn := realConnection(b)
			defer func() { _ = conn.Close() }()
			queue := "openesm-bench-" + strconv.Itoa(size)
			var bare, mapping, documents []time.Duration
			for b.Loop() {
				for _, contestant := range []struct {
					times *[]time.Duration
					read  func(b *testing.B, queue string, messages, batch int)
				}{{&bare, bareLoop}, {&mapping, mappingOf(noRecords)}, {&documents, mappingOf(noBytes)}} {
					fill(b, conn, queue, messages, size)
					began := time.Now()
					contestant.read(b, queue, messages, batch)
					*contestant.times = append(*contestant.times, time.Since(began))
				}
			}
			realRemove(conn, queue)
			slices.Sort(bare)
			slices.Sort(mapping)
			slices.Sort(documents)
			middle := len(bare) / 2
			b.ReportMetric(float64(bare[middle])/float64(mapping[middle]), "records/bare")
			b.ReportMetric(float64(bare[middle])/float64(documents[middle]), "documents/bare")
			b.ReportMetric(messages/bare[middle].Seconds(), "bare/s")
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
func bareLoop(b *testing.B, queue string, messages, batch int) {
	b.Helper()
	conn := realConnection(b)
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Qos(batch, 0, false)
	}
	if err != nil {
		b.Fatal(err)
	}
	deliveries, err := channel.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		b.Fatal(err)
	}
	for n := 1; n <= messages; n++ {
		d := <-deliveries
		if n%batch == 0 {
			if err = d.Ack(true); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err = channel.Close(); err != nil {
		b.Fatal(err)
	}
}

var (
	noRecords = esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
	noBytes   = esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
)

func mappingOf(handler esm.Handler) func(b *testing.B, queue string, messages, batch int) {
	return func(b *testing.B, queue string, messages, batch int) {
		b.Helper()
		username, password := realLogin()
		source, err := rabbitmq.New(rabbitmq.Options{
			Endpoints: []string{"amqp://" + realAddress(b, "OPENESM_RABBITMQ")}, Queue: queue, Access: rabbitmq.BasicAuth(username, password),
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var handled atomic.Int64
		mapping, err := esm.New(source, handler, esm.Config{
			BatchSize: batch, Logger: slog.New(slog.DiscardHandler), Observer: func(o esm.Observation) {
				if o.Metric == esm.DeletedEventCount && handled.Add(int64(o.Count)) == int64(messages) {
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
	}
}
