package activemq_test

import (
	"context"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
	"github.com/openesm/openesm/sources/sourcetest"
)

const queue = "orders"

// options are those of a source that reads the queue of a fake.
func options(broker *activemqtest.Broker) activemq.Options {
	return activemq.Options{
		Endpoints: []string{"amqp://broker.test"}, Queue: queue, Access: activemq.BasicAuth("user", "hidden"), Client: broker.Client(),
	}
}

// message is what a case sends.
func message(m sourcetest.Message) *amqp.Message {
	out := &amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Data: [][]byte{m.Data}}
	now := time.Now()
	out.Properties = &amqp.MessageProperties{CreationTime: &now}
	if m.Key != "" {
		out.Properties.GroupID = &m.Key
	}
	return out
}

// harness connects the suite with a fake.
func harness(broker *activemqtest.Broker) sourcetest.Harness {
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				broker.Send(queue, message(m))
			}
			return nil
		},
		Open: func(context.Context) (sources.Source, error) { return activemq.New(options(broker)) },
		Hang: func(context.Context) (func(), error) {
			broker.SetSilent(true)
			return func() { broker.SetSilent(false) }, nil
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		return harness(activemqtest.NewBroker())
	})
}
