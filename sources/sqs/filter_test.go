package sqs_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// TestMappingFilter sends plain text and JSON through the service: who passes,
// and that everything is deleted and nothing dead-lettered (FILT-08, FILT-90, FILT-91, SQS-61).
func TestMappingFilter(t *testing.T) {
	t.Parallel()
	const (
		invoice = `{"kind":"invoice","total":100}`
		digits  = `{"kind":"invoice","total":"100"}`
		urgent  = `{"urgent":true}`
		spaced  = ` { "urgent" : true } `
		text    = `urgent: invoice 100`
		quoted  = `"urgent"`
		broken  = `{"urgent":true`
	)
	bodies := []string{invoice, digits, urgent, spaced, text, quoted, broken}
	for name, test := range map[string]struct {
		filters []string
		pass    []string
	}{
		"JSON for JSON FILT77":           {[]string{`{"body":{"kind":["invoice"],"total":[{"numeric":[">=",100]}]}}`}, []string{invoice}},
		"JSON, text drops FILT74":        {[]string{`{"body":{"kind":[{"exists":false}]}}`}, []string{urgent, spaced}},
		"text for text FILT72":           {[]string{`{"body":[{"prefix":"urgent"}]}`}, []string{text}},
		"text, JSON drops FILT75 FILT71": {[]string{`{"body":[{"anything-but":"x"}]}`}, []string{text, quoted, broken}},
		"both FILT04":                    {[]string{`{"body":{"urgent":[true]}}`, `{"body":[{"suffix":"100"}]}`}, []string{urgent, spaced, text}},
		"metadata FILT73 FILT76":         {[]string{`{"attributes":{"ApproximateReceiveCount":["1"]}}`}, bodies},
		"other metadata":                 {[]string{`{"attributes":{"ApproximateReceiveCount":[{"anything-but":"1"}]}}`}, nil},
		"pollers' FILT56":                {[]string{`{"eventSource":["aws:sqs"],"awsRegion":[{"exists":true}]}`}, bodies},
		"other pollers' FILT56":          {[]string{`{"eventSource":["aws:kinesis"]}`, `{"awsRegion":[{"exists":false}]}`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				w.redrive(30*time.Second, "dead", 1)
				ids, err := w.Send("orders", bodies...)
				if err != nil {
					t.Fatal(err)
				}
				for i, body := range bodies {
					if !slices.Contains(test.pass, body) {
						w.done[ids[i]] = 1 // may be deleted unhandled
					}
				}
				r := w.run(w.journal(nil), sqs.Options{}, esm.Config{
					FilterCriteria: esm.FilterCriteria{Filters: test.filters},
				})
				took := w.until(len(bodies), time.Minute)
				r.end()
				w.once(test.pass)
				w.left(sqstest.Counts{Deleted: len(bodies)})
				if dead := w.Counts("dead"); took > time.Second || dead != (sqstest.Counts{}) {
					t.Errorf("deleted after %v, dead-letter queue %+v", took, dead)
				}
				for metric, want := range map[esm.Metric]int{
					esm.PolledEventCount: len(bodies), esm.FilteredOutEventCount: len(bodies) - len(test.pass),
					esm.InvokedEventCount: len(test.pass), esm.DeletedEventCount: len(bodies),
				} {
					if w.counts[metric] != want {
						t.Errorf("%s: %d, want %d", metric, w.counts[metric], want)
					}
				}
			})
		})
	}
}

// Patterns see message attributes and system attributes as the service has
// them, in FIFO queues too.
func TestMappingFilterMetadata_FILT55(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders.fifo", nil, func(t *testing.T, w *world) {
		send := func(group, tenant string) {
			out, err := w.Client().SendMessage(t.Context(), &awssqs.SendMessageInput{
				QueueUrl: &w.url, MessageBody: aws.String(group + " " + tenant), MessageGroupId: &group,
				MessageAttributes: map[string]types.MessageAttributeValue{
					"tenant": {DataType: aws.String("String"), StringValue: &tenant},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if group != "g1" || tenant != "north" {
				w.done[*out.MessageId] = 1
			}
		}
		for _, group := range []string{"g1", "g2"} {
			send(group, "north")
			send(group, "south")
		}
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{
			`{"messageAttributes":{"tenant":{"stringValue":["north"]}},"attributes":{"MessageGroupId":["g1"]},"md5OfBody":[{"exists":true}]}`,
		}}})
		w.until(4, time.Minute)
		r.end()
		w.once([]string{"g1 north"})
		w.left(sqstest.Counts{Deleted: 4})
	})
}

// The metadata are the message as the event document has it, without the text
// of its body (FILT-50, FILT-55).
func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, m := range []*types.Message{standardMessage(), fifoMessage(), {}} {
		record := sources.Record{Native: m}
		source := started(t, standardARN, 0)
		var document struct{ Records []map[string]any }
		var metadata map[string]any
		for into, text := range map[any][]byte{
			&document: source.AppendEvent(nil, "", []sources.Record{record}),
			&metadata: source.Filtering().AppendMetadata(nil, "", &record, nil),
		} {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatal(err)
			}
		}
		document.Records[0]["body"] = ""
		want, err := json.Marshal(document.Records[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(metadata)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if f := started(t, standardARN, 0).Filtering(); f.Key != "body" || !f.Text || f.KeepMismatch {
		t.Errorf("%q, %t, %t", f.Key, f.Text, f.KeepMismatch)
	}
}

// A pattern that no message can match is refused, rather than deleting all of them.
func TestFilterOfNoMember_P1(t *testing.T) {
	t.Parallel()
	const (
		none = ": records of this source have no such member"
		all  = ", only attributes, awsRegion, body, eventSource, eventSourceARN, " +
			"md5OfBody, md5OfMessageAttributes, messageAttributes, messageId, receiptHandle"
		system = "AWSTraceHeader, ApproximateFirstReceiveTimestamp, ApproximateReceiveCount, DeadLetterQueueSourceArn, " +
			"MessageDeduplicationId, MessageGroupId, SenderId, SentTimestamp, SequenceNumber"
	)
	for pattern, want := range map[string]string{
		`{"Body":["x"]}`:                           "Body" + none + all,
		`{"data":{"a":[1]}}`:                       "data" + none + all,
		`{"attributes.SenderId":["x"]}`:            "attributes.SenderId" + none + all,
		`{"attributes":{"Sent":["1"]}}`:            "attributes.Sent" + none + ", only " + system,
		`{"attributes":["x",{"exists":true}]}`:     "attributes: is an object, the pattern must name members of it: " + system,
		`{"attributes":{"SentTimestamp":[1]}}`:     "attributes.SentTimestamp: is a text, the pattern asks for a number",
		`{"attributes":{"MessageGroupId":[null]}}`: "attributes.MessageGroupId: is a text, the pattern asks for null",
		`{"messageId":{"x":["y"]}}`:                "messageId.x" + none + ", a text has none",
		`{"messageAttributes":{"tenant":["north"]}}`: "messageAttributes.tenant: is an object, the pattern must name members of it: " +
			"binaryListValues, binaryValue, dataType, stringListValues, stringValue",
		`{"messageAttributes":{"n":{"stringValue":[1]}}}`:   "messageAttributes.n.stringValue: is a text, the pattern asks for a number",
		`{"messageAttributes":{"n":{"StringValue":["1"]}}}`: "messageAttributes.n.StringValue" + none + ", only binaryListValues, binaryValue, dataType, stringListValues, stringValue",
	} {
		source, err := sqs.New(newStub(standardARN), standardARN, sqs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = esm.New(source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, nil
		}), esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{pattern}}})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// The system attributes that the service may send are known, and only those.
func TestFilterKnowsSystemAttributes_SQS93(t *testing.T) {
	t.Parallel()
	var got []string
	for _, member := range started(t, standardARN, 0).Filtering().Members {
		if member.Name == "attributes" {
			for _, attribute := range member.Members {
				got = append(got, attribute.Name)
			}
		}
	}
	var want []string
	for _, name := range types.MessageSystemAttributeName("").Values() {
		if name != types.MessageSystemAttributeNameAll {
			want = append(want, string(name))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMetadataAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	source := started(t, standardARN, 0)
	appendMetadata := source.Filtering().AppendMetadata
	m := standardMessage()
	m.Body = aws.String(strings.Repeat("x", 1<<20)) // which is not copied
	record := sources.Record{Native: m}
	dst := make([]byte, 0, 4<<10)

	// Under the race detector a pool forgets at random, hence one.
	if got := testing.AllocsPerRun(1000, func() { dst = appendMetadata(dst[:0], "", &record, nil) }); got > 1 {
		t.Errorf("%v allocations", got)
	}
	if cap(dst) != 4<<10 {
		t.Errorf("%d bytes for metadata", cap(dst))
	}
}
