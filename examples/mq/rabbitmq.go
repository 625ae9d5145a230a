package main

import (
	"context"
	"net/url"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

const (
	queue       = "openesm-orders"
	deadLetters = "openesm-orders-dead"
)

// newRabbitMQ makes the two queues on the RabbitMQ at an endpoint, or on an embedded one.
func newRabbitMQ(ctx context.Context, endpoint, user, password string) (*place, error) {
	options := rabbitmq.Options{
		Endpoints: []string{endpoint}, Queue: queue, Access: rabbitmq.BasicAuth(user, password), DeadLetters: true,
	}
	if endpoint == "" {
		return embeddedRabbitMQ(options), nil
	}
	return realRabbitMQ(ctx, options, user, password)
}

func embeddedRabbitMQ(options rabbitmq.Options) *place {
	broker := rabbitmqtest.NewBroker(rabbitmqtest.Options{})
	broker.Declare(deadLetters, rabbitmqtest.QueueOptions{})
	broker.Declare(queue, rabbitmqtest.QueueOptions{DeadLetters: deadLetters})
	options.Endpoints, options.Access, options.Dialer = []string{"amqp://embedded"}, rabbitmq.BasicAuth("guest", "guest"), broker
	return &place{
		name:    "an embedded RabbitMQ",
		send:    func(body string) error { return broker.Publish(queue, amqp.Publishing{Body: []byte(body)}) },
		source:  func() (sources.Source, error) { return rabbitmq.New(options) },
		handler: func(s *shop) esm.Handler { return esm.Typed(s.handleRabbitMQ) },
		dead: func() (bodies []string, err error) {
			for _, m := range broker.Messages(deadLetters) {
				bodies = append(bodies, string(m.Body))
			}
			return bodies, nil
		},
		close: broker.Close,
	}
}

func realRabbitMQ(ctx context.Context, options rabbitmq.Options, user, password string) (*place, error) {
	address, err := url.Parse(options.Endpoints[0])
	if err != nil {
		return nil, err
	}
	address.User = url.UserPassword(user, password)
	conn, err := amqp.Dial(address.String())
	if err != nil {
		return nil, err
	}
	channel, err := conn.Channel()
	if err == nil {
		_, err = channel.QueueDeclare(deadLetters, true, false, false, false, nil)
	}
	if err == nil {
		_, err = channel.QueueDeclare(queue, true, false, false, false, amqp.Table{
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": deadLetters,
		})
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &place{
		name: "the RabbitMQ at " + address.Host,
		send: func(body string) error {
			return channel.PublishWithContext(ctx, "", queue, true, false, amqp.Publishing{Body: []byte(body)})
		},
		source:  func() (sources.Source, error) { return rabbitmq.New(options) },
		handler: func(s *shop) esm.Handler { return esm.Typed(s.handleRabbitMQ) },
		dead: func() (bodies []string, err error) {
			for {
				d, ok, err := channel.Get(deadLetters, true)
				if err != nil || !ok {
					return bodies, err
				}
				bodies = append(bodies, string(d.Body))
			}
		},
		close: func() {
			_, _ = channel.QueueDelete(queue, false, false, false)
			_, _ = channel.QueueDelete(deadLetters, false, false, false)
			_ = conn.Close()
		},
	}, nil
}
