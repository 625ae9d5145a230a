package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// newActiveMQ is the queue on the ActiveMQ at an endpoint, or on an embedded one. It makes
// the queue when the first order is sent.
func newActiveMQ(ctx context.Context, endpoint, user, password string) (*place, error) {
	options := activemq.Options{Endpoints: []string{endpoint}, Queue: queue, Access: activemq.BasicAuth(user, password)}
	if endpoint == "" {
		return embeddedActiveMQ(options), nil
	}
	return realActiveMQ(ctx, options, user, password)
}

func embeddedActiveMQ(options activemq.Options) *place {
	broker := activemqtest.NewBroker()
	options.Endpoints, options.Client = []string{"amqp://embedded"}, broker.Client()
	return &place{
		name: "an embedded ActiveMQ",
		send: func(body string) error {
			broker.Send(queue, activemqtest.Text(body))
			return nil
		},
		source:  func() (sources.Source, error) { return activemq.New(options) },
		handler: func(s *shop) esm.Handler { return esm.Typed(s.handleActiveMQ) },
		dead: func() (bodies []string, err error) {
			for _, m := range broker.Messages(activemqtest.DeadLetters) {
				bodies = append(bodies, fmt.Sprint(m.Value))
			}
			return bodies, nil
		},
		close: func() {},
	}
}

func realActiveMQ(ctx context.Context, options activemq.Options, user, password string) (*place, error) {
	address, err := url.Parse(options.Endpoints[0])
	if err != nil {
		return nil, err
	}
	conn, err := amqp.Dial(ctx, address.String(), &amqp.ConnOptions{SASLType: amqp.SASLTypePlain(user, password)})
	if err != nil {
		return nil, err
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	sender, err := session.NewSender(ctx, queue, &amqp.SenderOptions{TargetCapabilities: []string{"queue"}})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &place{
		name:    "the ActiveMQ at " + address.Host,
		send:    func(body string) error { return sender.Send(ctx, activemqtest.Text(body), nil) },
		source:  func() (sources.Source, error) { return activemq.New(options) },
		handler: func(s *shop) esm.Handler { return esm.Typed(s.handleActiveMQ) },
		dead:    func() ([]string, error) { return takeAll(ctx, session, activemqtest.DeadLetters) },
		close:   func() { _ = conn.Close() },
	}, nil
}

// takeAll takes what a queue has.
func takeAll(ctx context.Context, session *amqp.Session, name string) (bodies []string, err error) {
	const credit = 100
	receiver, err := session.NewReceiver(ctx, name, &amqp.ReceiverOptions{Credit: credit})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		m, err := receiver.Receive(ctx, nil)
		if err != nil { // nothing more comes
			return bodies, nil
		}
		bodies = append(bodies, fmt.Sprint(m.Value))
		if err := receiver.AcceptMessage(ctx, m); err != nil {
			return bodies, err
		}
	}
}
