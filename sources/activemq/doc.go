// Package activemq reads a queue of Apache ActiveMQ, of Amazon MQ or any other: Classic,
// and Artemis as far as it speaks the same protocol.
//
//	source, err := activemq.New(activemq.Options{
//		Endpoints: []string{"amqp+ssl://b-1234-1.mq.eu-west-1.amazonaws.com:5671", "amqp+ssl://b-1234-2.mq.eu-west-1.amazonaws.com:5671"},
//		Queue:     "orders",
//		Access:    activemq.BasicAuth("lambda", password),
//	})
//
// # Protocol
//
// AWS's poller speaks OpenWire (MQ-20), of which there is no maintained client in Go. Of
// what a broker speaks besides, AMQP 1.0 and STOMP were both tried on real brokers, with
// github.com/Azure/go-amqp and github.com/go-stomp/stomp. It is AMQP 1.0, since STOMP
//
//   - cannot give a message back: what is not acknowledged stays with the subscription, and
//     a NACK makes it a dead letter at once, or nothing if it is not persistent;
//   - has texts end at their first NUL, which breaks the connection, for ever;
//   - tells neither message groups nor how often a message was delivered;
//   - hands out messages of AMQP senders as the bytes of AMQP;
//   - has one goroutine in its client, so that a reader that waits stops acknowledgements and
//     heart-beats, and the broker cuts the connection.
//
// A loop that receives and acknowledges one message after the other is about as fast over
// either; over AMQP several acknowledgements may be under way at once, which is faster.
// There is no STOMP here, also not to fall back on: an endpoint needs a connector for AMQP,
// as every broker of Amazon MQ has.
//
// # Batches
//
// A lane asks for as many messages as its batch has places for, when it has them, so that
// a stop gives little back. Credit cannot be taken back (a drain never ends on either
// broker): what comes too late for a batch waits here for the next one. Credit counts
// messages, not bytes; so it is the less the larger messages are (Options.PrefetchBytes).
// Up to five batches are handled at once (MQ-25).
//
// Messages of a message group are handled in order, one batch at a time. A group has the
// rest of the mapping go on while it waits.
//
// A batch that fails stays unacknowledged and is tried again in place, until it succeeds or
// its messages expire (MQ-32): the broker hears nothing of it. Told that a delivery failed,
// Classic would deliver at once and for ever, and Artemis would drop a message after ten
// times. MQ-34's limit is esm.Config.MaximumRetryAttempts, off by default: then the
// batch goes to OnFailure, or is rejected and is a dead letter of the broker's
// (ActiveMQ.DLQ, MQ-35). So is a message that no event document can hold (MQ-40). ActiveMQ
// Classic keeps no dead letters that are not persistent, unless its strategy for them says
// so: what is rejected by your limit is gone then, and what is too large stays in the queue.
//
// Messages are acknowledged one by one, after success, and those that the filter drops at
// once (MQ-30, MQ-31). The broker does not confirm that; what is on its way when a
// connection breaks is delivered again.
//
// An expired message of a batch that fails is not acknowledged. Artemis gets it back and
// expires it; Classic, which would deliver it to the same link again, makes it a dead letter,
// as it does with what expires in a queue.
//
// # Connections
//
// One link at a time is open. When it is lost, the next read opens another, at the next
// endpoint if need be, less and less often if that fails. What it had delivered is the
// broker's: running handlers end, their messages are not tried again here, and a group
// waits until nothing runs with them. A mapping that stops closes its link first, for Classic
// counts a delivery more when a connection is cut. ActiveMQ Classic keeps what a link
// released for this link until it is closed; so records that are given back stay here, for
// other lanes, and go back with the link.
//
// A wrong login, a queue that may not be read, and a scheme that the endpoint does not
// speak end Run when it starts; later they are waited out.
//
// # Events
//
// Event documents are as AWS writes them, with these of its members not in AMQP:
//
//   - brokerOutTime is when the message came here.
//   - brokerInTime is when the broker got it where Artemis says that (its option
//     enable-ingress-timestamp); otherwise the sender's timestamp, if it gave one that is not
//     in the future, and else when the message came here.
//   - messageID is made up for a message of a sender that gave it none, and is another with
//     each delivery then. IDs that are no texts are written as JMS clients of AMQP do.
//   - replyTo is what the sender gave, with the prefix queue:// or topic:// if it was a JMS
//     client.
//   - messageType is jms/text-message for a text, and for bytes whose content type is text,
//     JSON or XML; else jms/bytes-message. Maps, lists and numbers, of which AWS says nothing
//     (MQ-51), are texts with the JSON of them.
//   - properties are written as Java writes values (MQ-53), in the order of their names.
//
// # Testing
//
// Package activemqtest has a broker in the process.
package activemq
