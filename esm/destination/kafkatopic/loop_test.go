package kafkatopic_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// TestLoopIsRefused_DST43 gives a mapping the topic that it reads as destination.
func TestLoopIsRefused_DST43(t *testing.T) {
	t.Parallel()
	handler := esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
	for name, test := range map[string]struct {
		brokers, topics []string
		pattern         string
		refused         bool
	}{
		"same":            {[]string{"b1.example.com:9092"}, []string{"orders", topic}, "", true},
		"spelt otherwise": {[]string{"x:1", "B1.example.com"}, []string{topic}, "", true},
		"pattern":         {[]string{"b1.example.com:9092"}, nil, "fail.*", true},
		"other topic":     {[]string{"b1.example.com:9092"}, []string{"orders"}, "", false},
		"part of pattern": {[]string{"b1.example.com:9092"}, nil, "fail", false},
		"other cluster":   {[]string{"b1.example.org:9092"}, []string{topic}, "", false},
	} {
		client, err := kgo.NewClient(kgo.SeedBrokers("b1.example.com:9092", "b2.example.com:9092"))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		source, err := kafka.New(kafka.Options{
			BootstrapServers: test.brokers, Topics: test.topics, TopicPattern: test.pattern, ConsumerGroupID: "billing",
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = esm.New(source, handler, esm.Config{OnFailure: newDestination(t, client)})
		invalid, refused := errors.AsType[*esm.ConfigError](err)
		if refused != test.refused || refused && invalid.Violations[0].Field != "OnFailure" {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
