package main

import (
	"context"
	"encoding/base64"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/kafkatopic"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/kafka"
)

// member is what would be a process.
type member struct {
	name string
	shop *shop
}

// mapping is what each member runs; failed is its way to the dead-letter topic.
func (m *member) mapping(brokers []string, failed *kgo.Client) (*esm.Mapping, error) {
	source, err := kafka.New(kafka.Options{
		BootstrapServers: brokers,
		Topics:           []string{topic},
		ConsumerGroupID:  group,
		// So short for the show; the default is 3 s.
		ClientOptions: []kgo.Opt{kgo.HeartbeatInterval(100 * time.Millisecond)},
	})
	if err != nil {
		return nil, err
	}
	onFailure, err := kafkatopic.New(failed, deadLetters)
	if err != nil {
		return nil, err
	}
	return esm.New(source, esm.TypedResponse(m.handle), esm.Config{
		BatchSize:                  batch,
		MaximumBatchingWindow:      window,
		ReportBatchItemFailures:    true,
		BisectBatchOnFunctionError: true, // so that the poison alone is given up
		MaximumRetryAttempts:       new(2),
		RetryBackoff:               retry.Backoff{Initial: 50 * time.Millisecond, Max: 100 * time.Millisecond},
		OnFailure:                  onFailure,
		Observer:                   m.observe,
		Logger:                     slog.New(slog.DiscardHandler),
	})
}

// observe takes the counts behind AWS's metrics.
func (m *member) observe(o esm.Observation) {
	if o.Metric == esm.OnFailureDestinationDeliveredEventCount {
		m.shop.sayf("%s gives up %d order of %s", m.name, o.Count, o.Partition)
	}
}

// handle is an ordinary Lambda handler for Kafka events. It ends a partition at the
// first order that fails, and names that and those behind it: only what is named is
// tried again, so the others would overtake it.
func (m *member) handle(_ context.Context, event events.KafkaEvent) (kafka.EventResponse, error) {
	var failed kafka.EventResponse
	for partition, records := range event.Records {
		m.shop.reads(m.name, partition)
		for i, record := range records {
			if !m.shop.take(text(record.Key), text(record.Value)) {
				for _, open := range records[i:] {
					failed.Add(partition, open.Offset)
				}
				break
			}
		}
	}
	return failed, nil
}

// text is a key or a value, which event documents have in Base64.
func text(encoded string) string {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		panic(err) // no event document is like this
	}
	return string(decoded)
}
