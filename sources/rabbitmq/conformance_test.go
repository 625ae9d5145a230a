package rabbitmq_test

import (
	"context"
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
	"github.com/openesm/openesm/sources/sourcetest"
)

const queueName = "stock"

// options are those of a source of the broker's queue.
func options(broker *rabbitmqtest.Broker) rabbitmq.Options {
	return rabbitmq.Options{
		Endpoints: []string{"amqp://broker"}, Queue: queueName, Access: rabbitmq.BasicAuth("guest", "guest"), Dialer: broker,
		ARN: "arn:aws:mq:eu-west-1:123456789012:broker:warehouse:b-1",
	}
}

// harness is a broker with one queue.
func harness(t *testing.T, queue rabbitmqtest.QueueOptions) sourcetest.Harness {
	t.Helper()
	broker := rabbitmqtest.NewBroker(rabbitmqtest.Options{})
	t.Cleanup(broker.Close)
	broker.Declare(queueName, queue)
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			var errs []error
			for _, m := range messages {
				errs = append(errs, broker.Publish(queueName, amqp.Publishing{Body: m.Data}))
			}
			return errors.Join(errs...)
		},
		Open:       func(context.Context) (sources.Source, error) { return rabbitmq.New(options(broker)) },
		Settings:   sources.Settings{BatchSize: 100},
		NoTime:     true,
		ComposedID: true,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		return harness(t, rabbitmqtest.QueueOptions{})
	})
}

func TestQuorumConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		return harness(t, rabbitmqtest.QueueOptions{Quorum: true})
	})
}
