package bench_test

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	watermill "github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/rabbitmq"
)

const (
	rabbitQueue    = "openesm-bench-watermill"
	rabbitMessages = 10_000
	rabbitBatch    = 100
)

// BenchmarkRabbitMQ compares a mapping with Watermill's subscriber of AMQP, which
// acknowledges each message before it hands out the next, as it is configured without more
// (it has one message at a time) and with as much prefetched as the mapping, on a real broker:
// OPENESM_RABBITMQ is its host:port, OPENESM_RABBITMQ_USER and _PASSWORD who logs in.
func BenchmarkRabbitMQ(b *testing.B) {
	address, username, password := os.Getenv("OPENESM_RABBITMQ"), os.Getenv("OPENESM_RABBITMQ_USER"), os.Getenv("OPENESM_RABBITMQ_PASSWORD")
	if address == "" {
		b.Skip("OPENESM_RABBITMQ is not set: it is the host:port of a RabbitMQ")
	}
	uri := "amqp://" + username + ":" + password + "@" + address + "/"
	contestants := []func(){
		func() { readByWatermill(b, uri, 1) },
		func() { readByWatermill(b, uri, rabbitBatch) },
		func() {
			readByMapping(b, rabbitmq.Options{
				Endpoints: []string{"amqp://" + address}, Queue: rabbitQueue, Access: rabbitmq.BasicAuth(username, password),
			})
		},
	}
	times := make([][]time.Duration, len(contestants))
	for b.Loop() {
		for i, read := range contestants {
			fillRabbit(b, uri)
			began := time.Now()
			read()
			times[i] = append(times[i], time.Since(began))
		}
	}
	median := func(i int) time.Duration {
		slices.Sort(times[i])
		return times[i][len(times[i])/2]
	}
	b.ReportMetric(float64(median(0))/float64(median(2)), "mapping/watermill")
	b.ReportMetric(float64(median(1))/float64(median(2)), "mapping/watermill-prefetch")
	b.ReportMetric(rabbitMessages/median(2).Seconds(), "mapping/s")
	b.ReportMetric(0, "ns/op")
}

func fillRabbit(b *testing.B, uri string) {
	b.Helper()
	conn, err := amqp.Dial(uri)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	channel, err := conn.Channel()
	if err == nil {
		_, err = channel.QueueDeclare(rabbitQueue, true, false, false, false, nil)
	}
	if err == nil {
		_, err = channel.QueuePurge(rabbitQueue, false)
	}
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 200)
	var last *amqp.DeferredConfirmation
	for range rabbitMessages {
		message := amqp.Publishing{Body: body, Headers: amqp.Table{wamqp.DefaultMessageUUIDHeaderKey: watermill.NewUUID()}}
		if last, err = channel.PublishWithDeferredConfirmWithContext(b.Context(), "", rabbitQueue, false, false, message); err != nil {
			b.Fatal(err)
		}
	}
	if !last.Wait() {
		b.Fatal("not confirmed")
	}
}

func readByWatermill(b *testing.B, uri string, prefetch int) {
	b.Helper()
	config := wamqp.NewDurableQueueConfig(uri)
	config.Consume.Qos.PrefetchCount = prefetch
	subscriber, err := wamqp.NewSubscriber(config, watermill.NopLogger{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = subscriber.Close() }()
	messages, err := subscriber.Subscribe(context.Background(), rabbitQueue)
	if err != nil {
		b.Fatal(err)
	}
	for range rabbitMessages {
		(<-messages).Ack()
	}
}

func readByMapping(b *testing.B, options rabbitmq.Options) {
	b.Helper()
	source, err := rabbitmq.New(options)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var handled atomic.Int64
	mapping, err := esm.New(source, recordsHandler, esm.Config{
		BatchSize: rabbitBatch, Logger: slog.New(slog.DiscardHandler), Observer: func(o esm.Observation) {
			if o.Metric == esm.DeletedEventCount && handled.Add(int64(o.Count)) == rabbitMessages {
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
