package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/retry"
)

// letter is a message of the dead-letter topic: a failure record with its event.
type letter struct {
	RequestContext struct {
		Condition retry.Reason `json:"condition"`
	} `json:"requestContext"`
	Payload events.KafkaEvent `json:"payload"`
}

// readDeadLetters returns the orders in the dead-letter topic, by customer.
func readDeadLetters(ctx context.Context, client *kgo.Client) (map[string][]int, error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, deadLetters)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, err
	}
	client.AddConsumeTopics(deadLetters)
	orders := make(map[string][]int)
	for left := ends[deadLetters][0].Offset; left > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for _, record := range fetches.Records() {
			n, err := read(record)
			if err != nil {
				return nil, err
			}
			orders[string(record.Key)] = append(orders[string(record.Key)], n)
			left--
		}
	}
	return orders, nil
}

// read returns the order of a dead letter, which must be poison.
func read(record *kgo.Record) (int, error) {
	var l letter
	if err := json.Unmarshal(record.Value, &l); err != nil {
		return 0, err
	}
	for _, records := range l.Payload.Records {
		kind, n := parse(text(records[0].Value))
		if kind == "poison" && l.RequestContext.Condition == retry.RetryAttemptsExhausted {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: dead letter %s", errAccount, record.Value)
}
