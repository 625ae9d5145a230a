// Package activemqtest is a broker in memory, for tests of mappings that read ActiveMQ:
//
//	broker := activemqtest.NewBroker()
//	source, err := activemq.New(activemq.Options{
//		Endpoints: []string{"amqp://broker"}, Queue: "orders",
//		Access: activemq.BasicAuth("user", "password"), Client: broker.Client(),
//	})
//	broker.Send("orders", activemqtest.Text("hello"))
//
// It does what ActiveMQ Classic 6.1 does over AMQP 1.0, as far as the adapter can see it,
// and the same suite runs on both: messages go to links that have credit; those of a
// group go to one link as long as that is there; what is not settled comes back when its
// link is closed, and with a delivery more when its connection is cut; what expires or is
// rejected goes to ActiveMQ.DLQ if it is persistent, and else nowhere.
//
// It keeps everything in memory, makes no connection and has no goroutine, so it works in
// bubbles of package testing/synctest. It may be used concurrently.
package activemqtest
