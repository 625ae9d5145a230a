package kinesistest_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/aws/smithy-go/eventstream"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// events reads an event stream.
func events(t *testing.T, body io.Reader) {
	t.Helper()
	decoder := eventstream.NewDecoder()
	for i := 0; ; i++ {
		m, err := decoder.Decode(body, nil)
		if errors.Is(err, io.EOF) {
			if i == 0 {
				t.Fatal("an event stream without an initial response")
			}
			return
		}
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		var payload map[string]any
		if err := json.Unmarshal(m.Payload, &payload); err != nil {
			t.Fatalf("event %d: %q, %v", i, m.Payload, err)
		}
		if kind := m.Headers.Get(":event-type"); i == 0 && kind.String() != "initial-response" {
			t.Fatalf("the first event is %v", kind)
		}
	}
}

// FuzzWire makes any calls: see [wiretest.Fuzz]. Times are in seconds, $0 to $9
// are iterators and tokens, $c is a consumer, $n a sequence number.
func FuzzWire(f *testing.F) {
	f.Add("Kinesis_20131202.PutRecord", []byte(`{"StreamName":"q"}`), int64(18), `PutRecord {"StreamName":"s","PartitionKey":"a","Data":"AAE="}
GetShardIterator {"StreamName":"s","ShardId":"shardId-000000000000","ShardIteratorType":"TRIM_HORIZON"}
GetRecords {"ShardIterator":"$0","Limit":2}
SplitShard {"StreamName":"s","ShardToSplit":"shardId-000000000000","NewStartingHashKey":"77"}
GetRecords {"ShardIterator":"$1"}
ListShards {"StreamName":"s","MaxResults":1,"ShardFilter":{"Type":"FROM_TIMESTAMP","Timestamp":9.4e8}}
ListShards {"NextToken":"$2"}
SubscribeToShard {"ConsumerARN":"$c","ShardId":"shardId-000000000000","StartingPosition":{"Type":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"$n"}}`)
	f.Add("", []byte(nil), int64(-1), `PutRecords {"StreamName":"s","Records":[{"PartitionKey":"a","Data":""},{"PartitionKey":"b","ExplicitHashKey":"340282366920938463463374607431768211455"}]}
GetShardIterator {"StreamARN":"arn:aws:kinesis:eu-west-1:123456789012:stream/s","ShardId":"shardId-000000000001","ShardIteratorType":"AT_TIMESTAMP","Timestamp":946684800.5}
301
GetRecords {"ShardIterator":"$0"}
MergeShards {"StreamName":"s","ShardToMerge":"shardId-000000000001","AdjacentShardToMerge":"shardId-000000000000"}
SubscribeToShard {"ConsumerARN":"$c","ShardId":"shardId-000000000002","StartingPosition":{"Type":"LATEST"}}
DescribeStream {"StreamName":"s","Limit":1}`)
	f.Add("Kinesis_20131202.\n\x00", []byte(`[`), int64(1<<40), `RegisterStreamConsumer {"StreamARN":"arn:aws:kinesis:eu-west-1:123456789012:stream/s","ConsumerName":"d"}
DescribeStreamConsumer {"StreamARN":"arn:aws:kinesis:eu-west-1:123456789012:stream/s","ConsumerName":"d"}
ListStreamConsumers {"StreamARN":"arn:aws:kinesis:eu-west-1:123456789012:stream/s","MaxResults":1}
DeregisterStreamConsumer {"ConsumerARN":"$c"}
DescribeStreamSummary {"StreamName":"s"}
CreateStream {"StreamName":"\u0000","ShardCount":-1}
CreateStream {"StreamName":"t"}
GetShardIterator {"StreamName":"t","ShardId":"shardId-000000000003","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1e300}
ListShards {"StreamName":"t","ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":-1e300}}
DeleteStream {"StreamName":"s"}
SubscribeToShard {"StartingPosition":null}`)
	wiretest.Fuzz(f, func(t *testing.T) *wiretest.Caller {
		t.Helper()
		server, consumer := start(t, 2)
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		_, number, err := server.Put("s", "key", []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		return &wiretest.Caller{
			T: t, Server: server, Target: "Kinesis_20131202.", ContentType: "application/x-amz-json-1.1",
			Unit: time.Second, Names: map[string]string{"$c": consumer, "$n": number},
			Answered: func(answer map[string]any) []string {
				var list []string
				for _, name := range []string{"ShardIterator", "NextShardIterator", "NextToken"} {
					if text, ok := answer[name].(string); ok {
						list = append(list, text)
					}
				}
				return list
			},
			Streamed: func(kind string, body io.Reader) {
				if kind != "application/vnd.amazon.eventstream" {
					t.Fatalf("an answer of type %q", kind)
				}
				events(t, body)
			},
		}
	})
}
