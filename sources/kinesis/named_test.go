package kinesis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kinesis"
)

// A stream may be named, as a queue may: its ARN is what the service tells.
func TestStreamByName(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(t *testing.T, w *world) {
		source, err := kinesis.New(w.Client(), "telemetry", w.store, kinesis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if arn := source.Traits().ARN; arn != "telemetry" {
			t.Errorf("ARN %q before the start", arn)
		}
		for _, id := range w.send("k", "a") {
			w.done[id] = 1 // as this handler keeps no journal
		}
		got := make(chan events.KinesisEventRecord, 10)
		r := w.runSource(source, esm.Typed(func(_ context.Context, e events.KinesisEvent) error {
			for _, record := range e.Records {
				got <- record
			}
			return nil
		}), esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{`{"eventSourceARN":["` + telemetry + `"]}`}}})
		w.wait(time.Minute, "it is handled", func() bool { return len(got) == 1 })
		r.end()
		record := <-got
		if record.EventSourceArn != telemetry || record.AwsRegion != "eu-west-1" || string(record.Kinesis.Data) != "a" {
			t.Errorf("%+v", record)
		}
		if arn := source.Traits().ARN; arn != "telemetry" {
			t.Errorf("ARN %q after the start", arn)
		}
	})
}

// The store keeps the positions of the stream whether it is named or its ARN is given.
func TestStreamByNameGoesOnByARN(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		source, err := kinesis.New(w.Client(), "telemetry", w.store, kinesis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w.send("k", "a", "b")
		r := w.runSource(source, w.journal(nil), esm.Config{})
		w.until(2, time.Minute)
		r.end()
		w.send("k", "c")
		r = w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		w.until(3, time.Minute)
		r.end()
		w.once()
	})
}

// A pattern that no record can match is refused, rather than dropping all of them (FILT-57, P1).
func TestFilterOfNoMember(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const none = ": records of this source have no such member"
		for pattern, want := range map[string]string{
			`{"kinesis":{"data":{"a":[1]}}}`:           "kinesis" + none + ", only approximateArrivalTimestamp, awsRegion, data, ",
			`{"body":{"a":[1]}}`:                       "body" + none + ", only approximateArrivalTimestamp, awsRegion, data, ",
			`{"PartitionKey":["k"]}`:                   "PartitionKey" + none + ", only approximateArrivalTimestamp, awsRegion, data, ",
			`{"partitionKey":{"x":["y"]}}`:             "partitionKey.x" + none + ", a text has none",
			`{"sequenceNumber":[1]}`:                   "sequenceNumber: is a text, the pattern asks for a number",
			`{"approximateArrivalTimestamp":["2026"]}`: "approximateArrivalTimestamp: is a number, the pattern asks for a text",
		} {
			_, err := esm.New(w.source(kinesis.Options{}), w.journal(nil), esm.Config{
				FilterCriteria: esm.FilterCriteria{Filters: []string{pattern}},
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", pattern, err)
			}
		}
	})
}
