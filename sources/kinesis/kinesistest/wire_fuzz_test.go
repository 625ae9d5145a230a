package kinesistest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/eventstream"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// caller makes calls by hand.
type caller struct {
	t         *testing.T
	server    *kinesistest.Server
	iterators []string
}

// call makes one call and holds the answer to the protocol. A subscription is
// left after a minute.
func (c *caller) call(target string, body io.Reader, length int64) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://kinesis.test/", body)
	r.ContentLength = length
	r.Header["X-Amz-Target"] = []string{target}
	w := httptest.NewRecorder()
	c.serve(w, r)
	if w.Header().Get("X-Amzn-Requestid") == "" {
		c.t.Fatalf("%s: header %v", target, w.Header())
	}
	if w.Header().Get("Content-Type") == "application/vnd.amazon.eventstream" {
		c.events(w.Body)
		return
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer == nil {
		c.t.Fatalf("%s: answer %q: %v", target, w.Body, err)
	}
	if w.Header().Get("Content-Type") != "application/x-amz-json-1.1" || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		c.t.Fatalf("%s: header %v of an answer of %d bytes", target, w.Header(), w.Body.Len())
	}
	if w.Code == http.StatusOK {
		for _, name := range []string{"ShardIterator", "NextShardIterator", "NextToken"} {
			if text, ok := answer[name].(string); ok {
				c.iterators = append(c.iterators, text)
			}
		}
		return
	}
	kind, _ := answer["__type"].(string)
	if _, isText := answer["message"].(string); w.Code < 400 || w.Code > 599 || kind == "" || !isText || len(answer) != 2 {
		c.t.Fatalf("%s: status %d, answer %s", target, w.Code, w.Body)
	}
}

// serve has the server answer; it may cut the connection.
func (c *caller) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		cut := recover()
		if err, _ := cut.(error); cut != nil && !errors.Is(err, http.ErrAbortHandler) {
			panic(cut)
		}
	}()
	c.server.ServeHTTP(w, r)
}

// events reads an event stream.
func (c *caller) events(body io.Reader) {
	decoder := eventstream.NewDecoder()
	for i := 0; ; i++ {
		m, err := decoder.Decode(body, nil)
		if errors.Is(err, io.EOF) {
			if i == 0 {
				c.t.Fatal("an event stream without an initial response")
			}
			return
		}
		if err != nil {
			c.t.Fatalf("event %d: %v", i, err)
		}
		var payload map[string]any
		if err := json.Unmarshal(m.Payload, &payload); err != nil {
			c.t.Fatalf("event %d: %q, %v", i, m.Payload, err)
		}
		if kind := m.Headers.Get(":event-type"); i == 0 && kind.String() != "initial-response" {
			c.t.Fatalf("the first event is %v", kind)
		}
	}
}

// FuzzWire makes any call at first, and then those of a script: a line is an
// action and its JSON, or a time to wait in seconds. $0 to $9 are iterators and
// tokens, $c is a consumer, $n a sequence number. Nothing panics and nothing
// hangs, and every answer is one that the SDK can read.
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
	f.Fuzz(func(t *testing.T, target string, body []byte, length int64, script string) {
		synctest.Test(t, func(t *testing.T) {
			server := kinesistest.New()
			defer func() {
				if err := server.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			if err := server.AddStream("s", 2); err != nil {
				t.Fatal(err)
			}
			consumer, err := server.AddConsumer("s", "c")
			if err != nil {
				t.Fatal(err)
			}
			_, number, err := server.Put("s", "key", []byte("data"))
			if err != nil {
				t.Fatal(err)
			}
			c := &caller{t: t, server: server}
			c.call(target, bytes.NewReader(body), length)
			c.call(target, bytes.NewReader(body), int64(len(body)))
			c.call(target, iotest.ErrReader(errors.New("gone")), int64(len(body)))
			fill := strings.NewReplacer("$c", consumer, "$n", number)
			for _, line := range strings.SplitN(script, "\n", 30) {
				if seconds, err := strconv.Atoi(line); err == nil {
					time.Sleep(time.Duration(min(max(seconds, 0), 1e5)) * time.Second)
					continue
				}
				action, text, _ := strings.Cut(line, " ")
				text = fill.Replace(text)
				for i, it := range c.iterators[:min(len(c.iterators), 10)] {
					text = strings.ReplaceAll(text, "$"+strconv.Itoa(i), it)
				}
				c.call("Kinesis_20131202."+action, strings.NewReader(text), int64(len(text)))
			}
		})
	})
}
