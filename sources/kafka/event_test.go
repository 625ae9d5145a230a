//go:build synctests

package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// The documents that a handler gets, to the byte (KAF-80, KAF-81, KAF-82, KAF-84, KAF-86,
// KAF-87, KAF-88, KAF-89, KAF-90, KAF-91).
func TestEvent(t *testing.T) {
	t.Parallel()
	for name, arn := range map[string]string{"msk": clusterARN, "selfmanaged": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.sample()
				options := w.options("g")
				options.EventSourceARN = arn
				in := new(invoker)
				w.run(options, esm.Bytes(in), unwindowed)
				w.until("it is invoked", func() bool { return len(in.seen()) > 0 })
				source := `"eventSource":"SelfManagedKafka",`
				if arn != "" {
					source = `"eventSource":"aws:kafka","eventSourceArn":"` + arn + `",`
				}
				want := `{` + source + `"bootstrapServers":"` + strings.Join(options.BootstrapServers, ",") + `","records":{"orders-0":[` +
					`{"topic":"orders","partition":0,"offset":0,"timestamp":1767225601123,"timestampType":"CREATE_TIME",` +
					`"key":"by0x","value":"eyJwcmljZSI6IDEyfQ==","headers":[{"traceId":[97,98,99]},{"raw":[0,127,-128,-1]}]},` +
					`{"topic":"orders","partition":0,"offset":1,"timestamp":1767225601123,"timestampType":"CREATE_TIME",` +
					`"key":"","headers":[{"none":[]}]}]}}`
				if got := string(in.seen()[0]); got != want {
					t.Errorf("document\n%s\nwant\n%s", got, want)
				}
				var event events.KafkaEvent
				if err := json.Unmarshal(in.seen()[0], &event); err != nil {
					t.Error(err)
				}
				r := event.Records["orders-0"][0]
				if event.EventSourceARN != arn || r.Key != "by0x" || string(r.Headers[1]["raw"]) != "\x00\x7f\x80\xff" || r.Timestamp.UnixMilli() != 1767225601123 {
					t.Errorf("decoded %+v", event)
				}
			})
		})
	}
}

// A batch has records of several partitions, each under its name in the order of its
// offsets, and is committed for all of them (KAF-31, KAF-33, KAF-83, KAF-180, KAF-188).
func TestMixedEvent(t *testing.T) {
	t.Parallel()
	const partitions, records = 3, 20
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, partitions)
		w.admit("my-orders.v1", partitions)
		for p := range partitions {
			w.send(p, 0, records)
		}
		options := w.options("g")
		options.MixPartitions = true
		in := new(invoker)
		stop := w.run(options, esm.Bytes(in), esm.Config{BatchSize: 1000, MaximumBatchingWindow: 200 * time.Millisecond})
		w.until("all is committed", func() bool {
			at := w.committed("g")
			return at[0] == records && at[1] == records && at[2] == records
		})
		if err := stop(); err != nil {
			t.Error(err)
		}
		documents, mixed := in.seen(), false
		next := make(map[string]int64)
		for _, document := range documents {
			var event events.KafkaEvent
			if err := json.Unmarshal(document, &event); err != nil {
				t.Fatal(err)
			}
			mixed = mixed || len(event.Records) > 1
			for name, list := range event.Records {
				for _, r := range list {
					if want := fmt.Sprintf("my-orders.v1-%d", r.Partition); name != want || r.Offset != next[name] {
						t.Errorf("%s has offset %d of %s, want offset %d of %s", name, r.Offset, r.Topic, next[name], want)
					}
					next[name] = r.Offset + 1
				}
			}
		}
		if !mixed || len(next) != partitions {
			t.Errorf("%d documents, none of them mixed, of %v", len(documents), next)
		}
	})
}

// One batch of mixed partitions runs at a time, and what it holds up is all of them (KAF-32,
// KAF-35).
func TestMixedBlocks(t *testing.T) {
	t.Parallel()
	const partitions, records = 2, 300
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, partitions)
		for p := range partitions {
			w.send(p, 0, records)
		}
		options := w.options("g")
		options.MixPartitions = true
		var running, tries atomic.Int32
		m := start(t, options, quick(unwindowed), func(context.Context, []sources.Record) (esm.Response, error) {
			defer running.Add(-1)
			if n := running.Add(1); n > 1 {
				t.Errorf("%d batches run", n)
			}
			if tries.Add(1)%3 == 0 {
				return esm.Response{}, errRefused
			}
			return esm.Response{}, nil
		})
		m.seen.await(t, partitions*records)
		m.seen.wantOnce(t, partitions, records)
	})
}

// Members that share mixed partitions handle each record once.
func TestMixedRebalance_KAF41(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions, records = 4, 2000
		w := newVirtualWorld(t, partitions)
		for p := range partitions {
			w.send(p, 0, records)
		}
		options := w.options("g")
		options.MixPartitions = true
		vary(&options)
		seen := newLedger()
		slow := func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			<-time.After(2 * time.Millisecond)
			seen.add(batch)
			return esm.Response{}, nil
		}
		first := start(t, options, unwindowed, slow)
		first.seen.await(t, 100)
		second := start(t, options, unwindowed, slow)
		second.seen.await(t, 100)
		if err := second.stop(); err != nil {
			t.Error(err)
		}
		seen.await(t, partitions*records)
		if err := first.stop(); err != nil {
			t.Error(err)
		}
		seen.wantOnce(t, partitions, records)
	})
}

// The failure record of DST-20, and the topic form of DST-40, of a real batch (DST-21, DST-22,
// DST-24).
func TestFailureRecord(t *testing.T) {
	t.Parallel()
	for name, arn := range map[string]string{"msk": clusterARN, "selfmanaged": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.sample()
				options := w.options("g")
				options.EventSourceARN = arn
				delivered := make(chan [3]string, 1)
				config := unwindowed
				config.MaximumRetryAttempts = new(0)
				config.FunctionARN = "arn:aws:lambda:eu-west-1:123456789012:function:consumer"
				config.OnFailure = esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
					plain, err1 := record.Marshal(esm.NoPayload)
					bucket, err2 := record.Marshal(esm.TextPayload)
					topic, err3 := record.Record(1).Marshal(esm.ObjectPayload)
					for _, err := range []error{err1, err2, err3} {
						if err != nil {
							t.Error(err)
						}
					}
					stamp := record.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")
					id := strings.NewReplacer(record.RequestID, "ID", stamp, "NOW")
					delivered <- [3]string{id.Replace(string(plain)), id.Replace(string(bucket)), id.Replace(string(topic))}
					return nil
				})
				var document string
				w.run(options, esm.Bytes(&invoker{answer: func(event []byte) ([]byte, error) {
					document = string(event)
					return nil, os.ErrInvalid
				}}), config)
				got := <-delivered
				head := `{"requestContext":{"requestId":"ID","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:consumer",` +
					`"condition":"RetryAttemptsExhausted","approximateInvokeCount":1},` +
					`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
					`"version":"1.0","timestamp":"NOW",`
				source := ""
				if arn != "" {
					source = `"eventSourceArn":"` + arn + `",`
				}
				servers := strings.Join(options.BootstrapServers, ",")
				info := func(n, size int, rest string) string {
					return fmt.Sprintf(`"KafkaBatchInfo":{"batchSize":%d,%s"bootstrapServers":"%s","payloadSize":%d,%s}`, n, source, servers, size, rest)
				}
				both := info(2, len(document), `"recordsInfo":{"orders-0":{"firstRecordOffset":"0","lastRecordOffset":"1",`+
					`"firstRecordTimestamp":"2026-01-01T00:00:01.123Z","lastRecordTimestamp":"2026-01-01T00:00:01.123Z"}}`)
				if want := head + both + `}`; got[0] != want {
					t.Errorf("to SQS\n%s\nwant\n%s", got[0], want)
				}
				text, err := json.Marshal(document)
				if err != nil {
					t.Fatal(err)
				}
				if want := head + both + `,"payload":` + string(text) + `}`; got[1] != want {
					t.Errorf("to S3\n%s\nwant\n%s", got[1], want)
				}
				eventSource := "SelfManagedKafka"
				if arn != "" {
					eventSource = "aws:kafka"
				}
				second := `{"eventSource":"` + eventSource + `",` + source + `"bootstrapServers":"` + servers + `","records":{"orders-0":[` +
					`{"topic":"orders","partition":0,"offset":1,"timestamp":1767225601123,"timestampType":"CREATE_TIME","key":"","headers":[{"none":[]}]}]}}`
				one := info(1, len(second), `"recordInfo":{"offset":"1","timestamp":"2026-01-01T00:00:01.123Z"}`)
				if want := head + one + `,"payload":` + second + `}`; got[2] != want {
					t.Errorf("to a topic\n%s\nwant\n%s", got[2], want)
				}
			})
		})
	}
}
