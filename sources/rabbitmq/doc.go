// Package rabbitmq reads queues of RabbitMQ, of Amazon MQ or any other, as an event source
// mapping of AWS Lambda does: one queue of one virtual host, over AMQP 0-9-1 (MQ-01, MQ-20).
//
//	source, err := rabbitmq.New(rabbitmq.Options{
//		Endpoints: []string{"amqps://b-1234.mq.eu-west-1.amazonaws.com:5671"},
//		Queue:     "stock",
//		Access:    rabbitmq.BasicAuth("lambda", password),
//	})
//	mapping, err := esm.New(source, esm.Typed(handle), esm.Config{})
//	err = mapping.Run(ctx)
//
// # What a batch goes through
//
// Batches are of 100 messages, or of what comes within half a second of the first (MQ-10,
// MQ-11). There is one at a time, so order is kept (MQ-25, MQ-26); with
// esm.Config.MaximumConcurrency there are more, and it is not. A batch that succeeded is
// acknowledged whole (MQ-30), what a filter rejects at once (MQ-31). One that failed stays
// unacknowledged and is tried again with growing waits, until it succeeds (MQ-32). The broker
// hears nothing of that.
//
// A message whose expiration passes meanwhile leaves the batch and is handed back to the
// broker, which has its own rule for it, such as a dead-letter exchange (MQ-41). The
// expiration counts from the delivery, since the broker does not tell how long it had the
// message; the time to live of a queue is not known here, and does not count.
//
// esm.Config.ReportBatchItemFailures is an extension: AWS does not look at responses (MQ-94).
// A handler names the message IDs that its senders have set; messages without one have the
// ID of their delivery, which event documents do not show.
//
// # A way out
//
// AWS retries for ever. Here esm.Config.MaximumRetryAttempts ends that, as an extension: the
// batch goes to esm.Config.OnFailure, or, with Options.DeadLetters, is rejected to the queue's
// dead-letter exchange. Messages that are too large for any event document (MQ-40) go the
// same way. Where there is none of both they are left in the queue, unacknowledged, and
// reported, so that none is lost; they come again when the channel is made anew.
//
// # What is fetched
//
// As many messages as the batches of all lanes have places for, and no more: what is fetched
// and given back counts toward the delivery limit of a quorum queue. With Options.ReadAhead
// it is twice as many, which is faster where the handler is. Where messages are so
// large that these exceed Options.PrefetchBytes it is fewer. Their number is changed by
// a new consumer, which in a queue with a single active consumer lets another one take over;
// with batches of up to 100 messages that are not large it is never changed. A Fetch may
// exceed esm.Config.MaximumBufferedBytes by a batch.
//
// Classic queues and quorum queues are read; a stream is refused by Start. (To find out, Start
// asks for a consumer with an offset, which the broker notes as an error of the channel.)
// Nothing tells a poller whether a queue has a dead-letter exchange.
//
// # The consumer timeout
//
// A broker closes the channel of who holds a message for longer than its consumer_timeout,
// half an hour unless set otherwise. Before that, early enough for a handler that has just
// begun, all that is held is given back and fetched anew, in order; the log says so. It costs
// each message one delivery. Options.ConsumerTimeout must be what the broker has: with less
// than the handler's Timeout and the batching window need, Start refuses.
//
// # Faults
//
// A connection that is lost, a channel that the broker closes and a consumer that it cancels
// are told to log and observer with their reason, and are made anew with growing waits, at
// the next of Options.Endpoints if need be. What was delivered over them is the broker's
// again: running handlers end, no retry is begun, and nothing of it is acknowledged. A queue
// that is deleted is waited for. A wrong password, virtual host or queue, and a port that
// speaks TLS when it should not or does not when it should, end the mapping, if they are found
// when it starts; later they are waited for.
//
// A stop ends the consumer first; what was fetched is handled as far as there is time, and the
// rest given back by closing the channel, once the acknowledgements have been read.
//
// # What goes wrong for others
//
// Each of these is a test here, on the broker of package rabbitmqtest and on a real RabbitMQ.
//
//	M1   an acknowledgement of a delivery from before a reconnect settles another message
//	M2   an acknowledgement of several settles those of other lanes
//	M5   restarts use up the delivery limit of messages that no handler has seen
//	M8   a message that expired in hand is acknowledged, and no dead-letter exchange sees it
//	M9   a long handler or retry loses its channel to the consumer timeout
//	M11  the broker cancels the consumer, and the poller waits for ever
//	M12  the reason of a lost channel is thrown away
//	M14  under a memory alarm acknowledgements are not read, and a close hangs
//	M16  an acknowledgement too many closes the channel, and undoes the right ones
//	M19  a stopped consumer keeps what it has fetched
//	M22  the prefetch is smaller than a batch, without bound, or cut to 16 bits
//
// # Events
//
// Documents are those of MQ-70 to MQ-85. The client does not tell a property that is not set
// from one that is empty or 0, such as a priority of 0: both are null. It does not tell the
// clusterId, which is always null. Header strings are their bytes, signed as those of Java are
// (MQ-80, MQ-81); binary headers are the same list without an object around it, decimals are
// numbers, and what JSON has no number for (NaN) is null: of these AWS says nothing.
package rabbitmq
