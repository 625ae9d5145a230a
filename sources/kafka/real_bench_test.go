package kafka_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkReal is BenchmarkMapping with the broker under test, which has a process of
// its own: the processor time is that of the consumer alone.
func BenchmarkReal(b *testing.B) {
	const (
		partitions = 4
		size       = 100
		records    = 1_000_000
	)
	broker := realBroker(b, "OPENESM_KAFKA_BROKERS")
	topic := "bench-" + rand.Text()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	_, err = admin.CreateTopic(b.Context(), partitions, 1, nil, topic)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		_, err := admin.DeleteTopic(context.Background(), topic)
		if err != nil {
			b.Error(err)
		}
	}()
	value := make([]byte, size)
	for range records {
		client.Produce(b.Context(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	err = client.Flush(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		read reading
	}{{"records", mapping(recordsHandler)}, {"bytes", mapping(bytesHandler)}} {
		b.Run(c.name, func(b *testing.B) {
			compare(b, func(b *testing.B, read reading) cost {
				b.Helper()
				return measure(b, place{[]string{broker}, topic, topic + rand.Text()}, records/2, read)
			}, c.read)
		})
	}
}
