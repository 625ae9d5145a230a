// Package kafka delivers failure records to an Apache Kafka topic: one message for
// each record that failed (DST-44), with the record's own key (DST-45), whose value
// is the failure record with the event document of that record as a JSON object
// (DST-40, DST-46).
//
// AWS allows it for Kafka sources in provisioned mode, on the source's own cluster
// (DST-03, DST-41, DST-42), and would refuse it for Kinesis and DynamoDB Streams
// (DST-01, DST-02). Here any client and any source will do. The topic must not be
// the source of a mapping that fails the same records: they would go round for ever
// (DST-43).
//
// A message that is too large for the topic or for the client's
// ProducerBatchMaxBytes goes without the event document, as AWS does where a target
// is too small (ASYNC-58).
package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
)

// limit is how long a delivery may take.
const limit = 30 * time.Second

// Client is the part of a franz-go client that a destination uses; *kgo.Client has
// it. Its settings for acks, retries and idempotence hold.
type Client interface {
	ProduceSync(ctx context.Context, records ...*kgo.Record) kgo.ProduceResults
}

// Destination is a topic as on-failure destination.
type Destination struct {
	client Client
	topic  string
}

var _ esm.Destination = (*Destination)(nil)

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

	return &Destination{client: client, topic: name}, nil
}

// Deliver produces the messages and waits until the brokers have them. If one
// fails, all are produced again at the next attempt, so messages may come twice.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	messages := make([]*kgo.Record, len(record.Records))
	places := make(map[*kgo.Record]int)

	for i := range messages {
		message, err := d.message(record, i, esm.ObjectPayload)
		if err != nil {
			return err
		}

		messages[i] = message
		places[message] = i
	}

	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	var smaller []*kgo.Record

	for _, result := range d.client.ProduceSync(ctx, messages...) {
		switch {
		case errors.Is(result.Err, kerr.MessageTooLarge):
			message, err := d.message(record, places[result.Record], esm.NoPayload)
			if err != nil {
				return err
			}

			smaller = append(smaller, message)
		case result.Err != nil:
			return d.failed(result.Err)
		}
	}

	if len(smaller) == 0 {
		return nil
	}

	return d.failed(d.client.ProduceSync(ctx, smaller...).FirstErr())
}

// message is the message for the record at place i.
func (d *Destination) message(record *esm.FailureRecord, i int, payload esm.Payload) (*kgo.Record, error) {
	document, err := record.Record(i).Marshal(payload)
	if err != nil {
		return nil, err
	}

	message := &kgo.Record{Topic: d.topic, Value: document}
	if key := record.Records[i].Key; key != "" {
		message.Key = []byte(key)
	}

	return message, nil
}

func (d *Destination) failed(err error) error {
	if err == nil {
		return nil
	}

	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("kafka: produce to topic %s: not answered in time, %v at most: %w", d.topic, limit, err)
	}

	return fmt.Errorf("kafka: produce to topic %s: %w", d.topic, err)
}
