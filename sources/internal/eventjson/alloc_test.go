package eventjson_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// TestNoAllocation gives every append exactly the room that its size tells.
// AllocsPerRun does not allow parallel tests.
//
//nolint:paralleltest // see above
func TestNoAllocation(t *testing.T) {
	q := eventjson.NewSQS("aws:sqs", queueARN, region).WithNullMD5(true)
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	record := streamRecord()
	messages := []eventjson.Message{standardMessage(), fifoMessage(), {
		Body:  strings.Repeat("text é \"quoted\"\n", 1000) + "\xff",
		Extra: []eventjson.Attribute{{Name: "a", Value: "b"}},
	}}
	d, change := newDynamoDB(), modified()
	for i := range 40 {
		change.NewImage["attribute"+strconv.Itoa(i)] = numberOf("1")
	}
	room, _ := d.Size(&change)
	table := make([]byte, 0, room)
	size := eventjson.Overhead + len(messages) - 1
	for i := range messages {
		size += q.Size(&messages[i])
	}
	stream := make([]byte, 0, k.Size(shardID, &record))
	queue := make([]byte, 0, size)
	for name, run := range map[string]func(){
		"sqs":           func() { _ = eventjson.AppendEvent(queue, messages, q.Append) },
		"sqs size":      func() { _ = q.Size(&messages[0]) },
		"kinesis":       func() { _ = k.Append(stream, shardID, &record) },
		"kinesis size":  func() { _ = k.Size(shardID, &record) },
		"dynamodb":      func() { _ = d.Append(table, &change) },
		"dynamodb size": func() { _, _ = d.Size(&change) },
		"dynamodb key":  func() { _ = d.AppendKey(table, change.Keys) },
		"string":        func() { _ = eventjson.AppendString(queue, messages[0].Body) },
		"base64":        func() { _ = eventjson.AppendBase64(queue, record.Data) },
	} {
		if allocs := testing.AllocsPerRun(10, run); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}
