package esm

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// document is a source that writes this event document.
type document []byte

func (d document) AppendEvent(dst []byte, _ string, _ []sources.Record) []byte {
	return append(dst, d...)
}

// failureModel is a failure record as encoding/json alone writes it.
type failureModel struct {
	RequestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		Invokes     int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext any            `json:"responseContext,omitempty"`
	Version         string         `json:"version"`
	Timestamp       string         `json:"timestamp"`
	BatchInfo       map[string]any `json:"BatchInfo,omitempty"`
	Payload         *string        `json:"payload,omitempty"`
}

// FuzzFailureRecord holds the documents of failure records to encoding/json,
// with the members in AWS's order (DST-10, DST-30).
func FuzzFailureRecord(f *testing.F) {
	f.Add("id", "arn:aws:lambda:eu-west-1:123456789012:function:f", "RetryAttemptsExhausted", 3, uint8(11), []byte(`{"Records":[]}`), int64(1e12))
	f.Add("\xff", "<a href=\"\u2028\">\\", "}", -1, uint8(15), []byte("\"}\xff\u2029<&>"), int64(-62135596800000))
	f.Add("id", "f", "MaximumPayloadSizeExceeded", 1, uint8(4), []byte("{}"), int64(1e12))
	f.Add("", "", "", 0, uint8(0), []byte(nil), int64(253402300799999))
	f.Fuzz(func(t *testing.T, id, function, condition string, invokes int, kind uint8, payload []byte, ms int64) {
		const longAgo, farOff = -62135596800000, 253402300799999 // the years 1 and 9999
		record := &FailureRecord{
			RequestID: id, FunctionARN: function, Condition: retry.Reason(condition), ApproximateInvokeCount: invokes,
			Timestamp: time.UnixMilli(min(max(ms, longAgo), farOff)), Mapping: function, Partition: id,
		}
		var want failureModel
		want.RequestContext.RequestID, want.RequestContext.FunctionARN = id, function
		want.RequestContext.Condition, want.RequestContext.Invokes = condition, invokes
		want.Version, want.Timestamp = "1.0", record.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")
		if kind&1 != 0 {
			record.Response = &ResponseContext{StatusCode: invokes, ExecutedVersion: condition}
			if kind&2 != 0 {
				record.Response.FunctionError = new(function)
			}
			want.ResponseContext = record.Response
		} else if record.Condition == retry.MaximumPayloadSizeExceeded {
			want.ResponseContext = json.RawMessage("null")
		}
		if kind&4 != 0 {
			want.BatchInfo = map[string]any{"shardId": id}
			info, err := json.Marshal(want.BatchInfo)
			if err != nil {
				t.Fatal(err)
			}
			record.describer = describer(append([]byte(`"BatchInfo":`), info...))
		}
		got, err := record.MarshalJSON()
		sameDocument(t, got, err, want)
		got, err = json.Marshal(record)
		sameDocument(t, got, err, want)
		if record.Event() != nil {
			t.Fatal("an event document of a source that writes none")
		}
		if kind&8 != 0 && len(payload) > 0 {
			record.appender = document(payload)
			want.Payload = new(string(payload))
		}
		got, err = record.Marshal(TextPayload)
		sameDocument(t, got, err, want)
	})
}

// describer is a source's description of records.
type describer []byte

func (d describer) AppendBatchInfo(dst []byte, _ []sources.Record) []byte { return append(dst, d...) }

// sameDocument compares decoded, and the order of the members.
func sameDocument(t *testing.T, got []byte, err error, want failureModel) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	std, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var mine, theirs any
	if err := json.Unmarshal(got, &mine); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	if err := json.Unmarshal(std, &theirs); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(mine, theirs) || members(t, got) != members(t, std) {
		t.Fatalf("document\n got %s\nwant %s", got, std)
	}
}

// members are the names of a document's members, in order.
func members(t *testing.T, document []byte) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(document)))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
	}
	return strings.Join(names, " ")
}
