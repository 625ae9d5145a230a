package sqs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/sqs"
)

// hush is in payloads and in the service's messages, and must be in no error.
const hush = "hush-hush"

// oddity is a service that answers one action oddly and the others well.
type oddity struct {
	action string
	status int
	header http.Header
	body   string
}

// Do answers a call, without any network.
func (o *oddity) Do(r *http.Request) (*http.Response, error) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, header, body := http.StatusOK, http.Header{}, map[string]string{
		"GetQueueUrl":        `{"QueueUrl":"http://sqs.test/123456789012/orders"}`,
		"GetQueueAttributes": `{"Attributes":{"VisibilityTimeout":"30","QueueArn":"` + standardARN + `"}}`,
		"ReceiveMessage":     `{"Messages":[{"MessageId":"id-0","ReceiptHandle":"h","Body":"` + hush + `"},{"MessageId":"id-1","ReceiptHandle":"h"}]}`,
		"DeleteMessageBatch": `{"Successful":[{"Id":"0"},{"Id":"1"}]}`,
	}[action]
	if action == o.action {
		status, header, body = o.status, o.header, o.body
	}
	if body == "" {
		body = "{}"
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// source makes a source of the SDK's client on the service.
func (o *oddity) source(t *testing.T, options sqs.Options) *sqs.Source {
	t.Helper()
	client := awssqs.New(awssqs.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://sqs.test"), HTTPClient: o,
		Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1,
	})
	source, err := sqs.New(client, standardARN, options)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// telling has hush where error codes stand, which errors do repeat.
func telling(body string) bool {
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return false
	}
	var found func(any) bool
	found = func(value any) bool {
		switch v := value.(type) {
		case map[string]any:
			for name, inner := range v {
				code, isText := inner.(string)
				isCode := strings.EqualFold(name, "code") || strings.EqualFold(name, "__type") || strings.EqualFold(name, "QueueArn") ||
					strings.EqualFold(name, "VisibilityTimeout")
				if isCode && isText && strings.Contains(code, hush) || found(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, found)
		}
		return false
	}
	return found(value)
}

// FuzzAnswer has the service answer one action with anything. Nothing panics,
// records are whole and not larger than they say (P8), each record of a delete is
// settled or told of once, and no error repeats what the service says (P13).
func FuzzAnswer(f *testing.F) {
	for _, seed := range []struct {
		action uint8
		status uint16
		query  string
		body   string
	}{
		{0, 200, "", `{"QueueUrl":7}`},
		{0, 400, "AWS.SimpleQueueService.NonExistentQueue;Sender", `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"hush-hush"}`},
		{1, 403, "AccessDenied;Sender", `{"__type":"AccessDeniedException","Message":"hush-hush"}`},
		{1, 200, "", `{"Attributes":{"VisibilityTimeout":"-1"}}`},
		{1, 200, "", `{"Attributes":"hush-hush"}`},
		{2, 200, "", `{"Messages":[{"MessageId":"","Body":"x"},{"MessageId":"a","Body":"hush-hush\u0000","Attributes":{"SentTimestamp":"x","ApproximateReceiveCount":"-1"}}]}`},
		{2, 200, "", `{"Messages":[{"MessageId":"a","MD5OfBody":"b","Body":"x","MessageAttributes":{"n":{"DataType":"Binary","BinaryValue":"AAE="}}},null]}`},
		{2, 200, "", `{"Messages":"hush-hush"}`},
		{2, 200, "", `["hush-hush"]`},
		{2, 200, "", `hush-hush`},
		{2, 200, "", `{"Messages":[{"MessageId":"a"},{"MessageId":"b"},{"MessageId":"c"},{"MessageId":"d"},{"MessageId":"e"}]}`},
		{2, 500, "", `<html>hush-hush</html>`},
		{3, 200, "", `{"Successful":[{"Id":"0"},{"Id":"9"},{"Id":"1"}],"Failed":[{"Id":"0","Code":"x","Message":"hush-hush"}]}`},
		{3, 200, "", `{"Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid","Message":"hush-hush","SenderFault":true},{"Id":"1"},{}]}`},
		{3, 200, "", `{"Failed":[{"Id":7,"Message":"hush-hush"}]}`},
		{4, 200, "", `{"Failed":[{"Id":"0","Code":"InvalidParameterValue","SenderFault":true,"Message":"hush-hush"},{"Id":"","Code":"y"}]}`},
		{4, 429, "Throttling", ``},
	} {
		f.Add(seed.action, seed.status, seed.query, seed.body)
	}
	f.Fuzz(func(t *testing.T, action uint8, status uint16, query, body string) {
		actions := []string{"GetQueueUrl", "GetQueueAttributes", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}
		header := http.Header{"X-Amzn-Query-Error": {strings.ReplaceAll(query, hush, "")}}
		if telling(body) {
			return
		}
		if status < 200 || status > 599 {
			status = 200 + status%400
		}
		o := &oddity{action: actions[int(action)%len(actions)], status: int(status), header: header, body: body}
		source := o.source(t, sqs.Options{FailureBackoff: retry.Backoff{Initial: time.Minute}})
		err := source.Start(t.Context(), sources.Settings{BatchSize: 10, BatchBytes: 6_291_456, Timeout: 3 * time.Second})
		quiet(t, err)
		if err != nil {
			return
		}
		o.drive(t, source)
	})
}

// quiet looks that an error repeats nothing of what the service answered.
func quiet(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), hush) {
		t.Errorf("the error tells a payload: %v", err)
	}
}

// drive makes each call once.
func (o *oddity) drive(t *testing.T, source *sqs.Source) {
	t.Helper()
	p, err := source.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { quiet(t, p.Close(t.Context())) }()
	buf := make([]sources.Record, 3)
	n, err := p.Fetch(t.Context(), buf, 0)
	quiet(t, err)
	for i := range buf[:n] {
		whole(t, source, buf[i])
	}
	records := buf[:n]
	if o.action != "ReceiveMessage" && n != 2 {
		t.Fatalf("%d records of a good answer", n)
	}
	err = p.Ack(t.Context(), records)
	quiet(t, err)
	settledOnce(t, records, err)
	quiet(t, p.(sources.Releaser).Release(t.Context(), records))
	quiet(t, p.(sources.Failer).Fail(t.Context(), records))
}

// whole looks at a record of any answer.
func whole(t *testing.T, source *sqs.Source, r sources.Record) {
	t.Helper()
	if r.ID == "" || r.Expires.IsZero() {
		t.Errorf("record %+v", r)
	}
	document := source.AppendEvent(nil, "", []sources.Record{r})
	if !json.Valid(document) || len(document) > eventjson.Bound+r.Size {
		t.Errorf("document of %d bytes, the record's size is %d: %s", len(document), r.Size, document)
	}
	if again := source.AppendEvent(nil, "", []sources.Record{r}); !bytes.Equal(again, document) {
		t.Errorf("a second document %s differs from %s", again, document)
	}
}

// settledOnce looks that an Ack tells of its records once at most, and of no
// others.
func settledOnce(t *testing.T, records []sources.Record, err error) {
	t.Helper()
	partial, ok := errors.AsType[*sources.AckError](err)
	if !ok {
		if err != nil {
			t.Errorf("Ack: %v", err)
		}
		return
	}
	told := append(append([]sources.Record(nil), partial.Unsettled...), partial.Stale...)
	if len(told) == 0 || len(told) > len(records) || partial.Err == nil {
		t.Errorf("Ack tells of %d records out of %d: %v", len(told), len(records), partial.Err)
	}
	natives := map[any]bool{}
	for i := range records {
		natives[records[i].Native] = true
	}
	for i := range told {
		if !natives[told[i].Native] {
			t.Errorf("Ack tells of a record twice, or of another's: %q", told[i].ID)
		}
		delete(natives, told[i].Native)
	}
}
