// Package rabbitmqtest has a RabbitMQ in the process, for tests of handlers and mappings
// without a broker. It speaks no wire protocol: a [Broker] is the Dialer of
// rabbitmq.Options, and does what the adapter's client would have a broker do.
//
//	broker := rabbitmqtest.NewBroker(rabbitmqtest.Options{})
//	defer broker.Close()
//	broker.Declare("stock", rabbitmqtest.QueueOptions{})
//	err := broker.Publish("stock", amqp091.Publishing{Body: []byte(`{"sku":"A1"}`)})
//	source, err := rabbitmq.New(rabbitmq.Options{
//		Endpoints: []string{"amqp://broker"}, Queue: "stock",
//		Access: rabbitmq.BasicAuth("guest", "guest"), Dialer: broker,
//	})
//
// It works in bubbles of testing/synctest, where an expiration or a consumer timeout takes
// no time. It knows classic and quorum queues with prefetch, order, the redelivered flag,
// delivery counts and limits, expirations, dead letters, consumer timeouts, cancelled
// consumers, and connections that are cut. The adapter's own conformance suite runs on it
// and on a real RabbitMQ.
package rabbitmqtest
