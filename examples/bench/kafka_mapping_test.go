package bench_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

var (
	recordsHandler = esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
	bytesHandler   = esm.Bytes(nothing{})
	typedHandler   = esm.Typed(func(context.Context, events.KafkaEvent) error { return nil })
)

type nothing struct{}

func (nothing) Invoke(context.Context, []byte) ([]byte, error) { return nil, nil }

// mapping reads with this library. What was handled counts, as with the others: commits
// come a moment later, for several batches at once.
func mapping(handler esm.Handler) func(ctx context.Context, brokers []string, m *meter) error {
	return func(ctx context.Context, brokers []string, m *meter) error {
		source, err := kafka.New(kafka.Options{
			BootstrapServers: brokers, Topics: []string{kafkaTopic}, ConsumerGroupID: "bench",
		})
		if err != nil {
			return err
		}
		read, err := esm.New(source, handler, esm.Config{
			BatchSize: kafkaBatch, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
			Observer: func(o esm.Observation) {
				if o.Metric == esm.InvokedEventCount {
					m.add(o.Count)
				}
			},
		})
		if err != nil {
			return err
		}
		return read.Run(ctx)
	}
}
