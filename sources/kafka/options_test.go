package kafka_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

func valid() kafka.Options {
	return kafka.Options{
		BootstrapServers: []string{"k1.example.com:9092", "k2.example.com:9092"},
		Topics:           []string{"orders"},
		ConsumerGroupID:  "billing",
	}
}

// Every violation is named: field, value, bound (KAF-02, KAF-03, KAF-04, KAF-05).
func TestOptions(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*kafka.Options){
		"BootstrapServers: is empty":           func(o *kafka.Options) { o.BootstrapServers = nil },
		"BootstrapServers: has an empty entry": func(o *kafka.Options) { o.BootstrapServers = []string{"a:1", ""} },
		"BootstrapServers: entry 2 has a user, a scheme, a path or a blank, want host:port": func(o *kafka.Options) {
			o.BootstrapServers = []string{"a:1", "user:hidden@b.example.com:9092"}
		},
		"BootstrapServers: entry 1 has a user":                         func(o *kafka.Options) { o.BootstrapServers = []string{"kafka://hidden:9092"} },
		"Topics: exactly one of Topics and TopicPattern":               func(o *kafka.Options) { o.Topics = nil },
		"exactly one of Topics and TopicPattern":                       func(o *kafka.Options) { o.TopicPattern = "x" },
		"has 250 characters, which must be 1 to 249":                   func(o *kafka.Options) { o.Topics = []string{strings.Repeat("t", 250)} },
		`Topics: "" has 0 characters`:                                  func(o *kafka.Options) { o.Topics = []string{""} },
		"TopicPattern: error parsing":                                  func(o *kafka.Options) { o.Topics, o.TopicPattern = nil, "(" },
		`ConsumerGroupID: "" has 0 characters, which must be 1 to 255`: func(o *kafka.Options) { o.ConsumerGroupID = "" },
		"StartingPosition: 7 is not":                                   func(o *kafka.Options) { o.StartingPosition = 7 },
		"StartingPositionTimestamp: is set, which only AtTimestamp":    func(o *kafka.Options) { o.StartingPositionTimestamp = time.Now() },
		"StartingPositionTimestamp: is not set, which AtTimestamp":     func(o *kafka.Options) { o.StartingPosition = kafka.AtTimestamp },
		"StartingPositionTimestamp: 2999-01-01 00:00:00 +0000 UTC is in": func(o *kafka.Options) {
			o.StartingPosition, o.StartingPositionTimestamp = kafka.AtTimestamp, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)
		},
		"RevokeTimeout: -1s must be between 0": func(o *kafka.Options) { o.RevokeTimeout = -time.Second },
		"RevokeTimeout: 16m0s must be between": func(o *kafka.Options) { o.RevokeTimeout = 16 * time.Minute },
		"Access:": func(o *kafka.Options) {
			o.Access = []access.Config{access.BasicAuth("a", "hidden-1"), access.SASLSCRAM512("b", "hidden-2")}
		},
	} {
		o := valid()
		spoil(&o)
		_, err := kafka.New(o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "kafka: ") {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("a secret shows in %v", err)
		}
	}
	_, err := kafka.New(kafka.Options{StartingPosition: -1})
	for _, field := range []string{"BootstrapServers", "Topics", "ConsumerGroupID", "StartingPosition"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

// The bounds and defaults of Kafka, through the engine that holds to them (KAF-01, KAF-10,
// KAF-11, KAF-12, KAF-14, KAF-62, KAF-189).
func TestTraits(t *testing.T) {
	t.Parallel()
	source, err := kafka.New(valid())
	if err != nil {
		t.Fatal(err)
	}
	traits := source.Traits()
	if traits.BatchSize.Default != 100 || traits.Window.Default != 500*time.Millisecond || !traits.WindowFromRecord {
		t.Errorf("%+v", traits)
	}
	if traits.EventSource != "SelfManagedKafka" || traits.ARN != "kafka://k1.example.com:9092/orders" {
		t.Errorf("%s, %s", traits.EventSource, traits.ARN)
	}
	managed := valid()
	managed.EventSourceARN = clusterARN
	if source, err := kafka.New(managed); err != nil || source.Traits().EventSource != "aws:kafka" || source.Traits().ARN != clusterARN+"/orders" {
		t.Errorf("%+v, %v", source.Traits(), err)
	}
	for field, config := range map[string]esm.Config{
		"":                      {BatchSize: 10_000, MaximumBatchingWindow: 300 * time.Second, Timeout: 14 * time.Minute, MaximumRecordAge: 604_800 * time.Second},
		"BatchSize":             {BatchSize: 10_001},
		"MaximumBatchingWindow": {MaximumBatchingWindow: 301 * time.Second},
		"Timeout":               {Timeout: 14*time.Minute + 1},
		"MaximumRecordAge":      {MaximumRecordAge: 59 * time.Second},
		"MaximumRetryAttempts":  {MaximumRetryAttempts: new(10_001)},
		"TumblingWindow":        {TumblingWindow: time.Minute},
	} {
		_, err := esm.New(source, recordsHandler, config)
		if (err != nil) != (field != "") || err != nil && !strings.Contains(err.Error(), field+" is ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// What AWS has in provisioned mode only is there without it, which itself is refused:
// whatever partitions there are, they are read at once, by one consumer each at most (KAF-50,
// KAF-52, KAF-56, KAF-71).
func TestProvisionedMode(t *testing.T) {
	t.Parallel()
	source, err := kafka.New(valid())
	if err != nil {
		t.Fatal(err)
	}
	_, err = esm.New(source, recordsHandler, esm.Config{ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: 1}})
	if err == nil || !strings.Contains(err.Error(), "provisioned mode is not supported for this source") {
		t.Error(err)
	}
	_, err = esm.New(source, recordsHandler, esm.Config{
		MaximumRetryAttempts: new(3), MaximumRecordAge: time.Hour, BisectBatchOnFunctionError: true, ReportBatchItemFailures: true,
		OnFailure: esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return nil }),
	})
	if err != nil {
		t.Error(err)
	}
}
