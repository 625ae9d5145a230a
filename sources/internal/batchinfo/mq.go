package batchinfo

import (
	"strconv"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// MQ is a batch of messages of one queue of a broker.
type MQ struct {
	// ARN is the broker's.
	ARN string
	// Queue is the queue's name.
	Queue string
	// VirtualHost is where it is; "" and left out where there are none.
	VirtualHost string
	// First and Last are the IDs of the ends of the batch.
	First, Last string
	// Size is how many messages it has.
	Size int
}

// AppendMQ appends the member MQBatchInfo. AWS has no on-failure destinations for MQ
// (MQ-09), so the member is ours, in the form of the others.
func AppendMQ(dst []byte, b *MQ) []byte {
	const decimal = 10
	dst = eventjson.AppendString(append(dst, `"MQBatchInfo":{"queue":`...), b.Queue)
	if b.VirtualHost != "" {
		dst = eventjson.AppendString(append(dst, `,"virtualHost":`...), b.VirtualHost)
	}
	dst = eventjson.AppendString(append(dst, `,"firstMessageId":`...), b.First)
	dst = eventjson.AppendString(append(dst, `,"lastMessageId":`...), b.Last)
	dst = strconv.AppendInt(append(dst, `,"batchSize":`...), int64(b.Size), decimal)
	dst = eventjson.AppendString(append(dst, `,"eventSourceArn":`...), b.ARN)
	return append(dst, '}')
}
