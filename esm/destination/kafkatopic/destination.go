// Package kafkatopic delivers failure records to an Apache Kafka topic: one message for
// each record that failed (DST-44), with the record's own key (DST-45), whose value
// is the failure record with the event document of that record as a JSON object
// (DST-40, DST-46).
//
// AWS allows it for Kafka sources in provisioned mode, on the source's own cluster
// (DST-03, DST-41, DST-42), and would refuse it for Kinesis and DynamoDB Streams
// (DST-01, DST-02). Here any client and any source will do. The topic must not be
// the source of a mapping that fails the same records: they would go round for ever
// (DST-43). esm.New refuses a topic that the mapping's own source reads, if client and
// source have a bootstrap server in common.
//
// A topic that does not exist, or that the client's user may not describe, is told at the
// start.
//
// A message that is too large for the topic or for the client's
// ProducerBatchMaxBytes goes without the event document, as AWS does where a target
// is too small (ASYNC-58). If it is still too large, it goes without the key.
//
// A topic that is deleted and made anew is learned anew with the first message that fails
// for it, if the client has franz-go's PurgeTopicsFromProducing.
package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources"
)

// limit is how long a delivery may take.
const limit = 30 * time.Second

// Client is the part of a franz-go client that a destination uses; *kgo.Client has
// it. Its settings for acks, retries and idempotence hold. Records of other code that
// it produces to the same topic may make a batch too large for a message.
type Client interface {
	// Produce calls promise once the record is written, or has failed.
	Produce(ctx context.Context, record *kgo.Record, promise func(*kgo.Record, error))
}

// Destination is a topic as on-failure destination.
type Destination struct {
	client Client
	topic  string
	room   room // for those that produce

	mu     sync.Mutex
	open   map[weak.Pointer[esm.FailureRecord]][]*message // what is not delivered yet
	purged chan struct{}                                  // closed when the purge that is under way is done; nil for none
}

var (
	_ esm.Destination = (*Destination)(nil)
	_ esm.Feeder      = (*Destination)(nil)
)

// topicName is how a topic may be named (DST-09).
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$`)

// New makes a destination of a topic, which must exist, given by its name or as
// kafka://NAME (DST-41). It makes no call; its error names every violation.
func New(client Client, topic string) (*Destination, error) {
	var errs []error
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	name := strings.TrimPrefix(topic, "kafka://")
	if !topicName.MatchString(name) {
		errs = append(errs, fmt.Errorf("topic: %q is no topic's name: want 1 to 249 letters, digits, . _ and -, the first no dot", topic))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination kafka: %w", err)
	}
	return &Destination{client: client, topic: name, open: make(map[weak.Pointer[esm.FailureRecord]][]*message)}, nil
}

// Deliver produces the messages and waits until the brokers have them, or ctx ends. The
// next attempt for the same failure record produces only those that failed; it waits
// for those that the client still sends, for an idempotent client cannot take back
// what may have been written.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := &attempt{destination: d, record: record}
	if err := a.deliver(ctx, d.messages(record), false); err != nil {
		return err
	}
	d.forget(weak.Make(record))
	return nil
}

// Feeds reports whether the source reads the topic (DST-43). It knows the cluster of a
// client that has franz-go's OptValue.
func (d *Destination) Feeds(source sources.Source) bool {
	client, known := d.client.(interface{ OptValue(opt any) any })
	reader, reads := sources.Ability[sources.TopicReader](source)
	if !known || !reads {
		return false
	}
	brokers, _ := client.OptValue(kgo.SeedBrokers).([]string)
	return reader.ReadsTopic(d.topic, brokers)
}
