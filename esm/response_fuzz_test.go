package esm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources"
)

// readResponse reads a response as the rules tell it in words, out of plainly
// decoded JSON: the identifiers, and whether the response was well-formed.
func readResponse(body string) (ids []string, ok bool) {
	if strings.Trim(body, " \t\r\n") == "" {
		return nil, true // SQS-70
	}
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	var value any
	if !json.Valid([]byte(body)) || decoder.Decode(&value) != nil {
		return nil, false // SQS-78
	}
	var list any
	switch v := value.(type) {
	case nil:
		return nil, true // SQS-70
	case string:
		return nil, v == "" // SQS-73
	case []any:
		return nil, len(v) == 0 // SQS-73
	case map[string]any:
		list = v["batchItemFailures"]
	default:
		return nil, false // KIN-160
	}
	if list == nil {
		return nil, true // SQS-71, SQS-72
	}
	entries, isList := list.([]any)
	if !isList {
		return nil, false // KIN-160
	}
	for _, entry := range entries {
		object, _ := entry.(map[string]any)
		id, _ := object["itemIdentifier"].(string)
		if id == "" {
			return nil, false // SQS-75, SQS-76, SQS-83
		}
		ids = append(ids, id)
	}
	return ids, true
}

// failedOf is which of the records failed by a response: "x" those, "." the
// others. Ids outside of the batch fail all of it (SQS-77).
func failedOf(body string, records []sources.Record) string {
	ids, ok := readResponse(body)
	known := func(id string) bool {
		return slices.ContainsFunc(records, func(r sources.Record) bool { return r.ID == id })
	}
	var marks strings.Builder
	for i := range records {
		failed := !ok || slices.Contains(ids, records[i].ID) || slices.ContainsFunc(ids, func(id string) bool { return !known(id) })
		marks.WriteString(map[bool]string{true: "x", false: "."}[failed])
	}
	return marks.String()
}

// FuzzResponse judges any response to a batch of five records, two of which
// are the same message, and compares with the rules in words.
func FuzzResponse(f *testing.F) {
	for _, body := range []string{
		``, " \r\n\t", `null`, `""`, `[]`, `[ ]`, `{ }`, `{"batchItemFailures":[]}`, `{"batchItemFailures":null}`,
		`{"batchItemFailures":[{"itemIdentifier":"a"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"b","x":{}},{"itemIdentifier":"c"}],"more":1e999}`,
		`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"z"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":""}]}`, `{"batchItemFailures":[{"foo":"a"}]}`, `{"batchItemFailures":[null]}`,
		`{"batchItemFailures":[{"itemIdentifier":7}]}`, `{"batchItemFailures":{"itemIdentifier":"a"}}`,
		`{"batchItemFailures":[{"itemIdentifier":"a"}],"batchItemFailures":[]}`,
		`{"BatchItemFailures":[{"itemIdentifier":"a"}]}`, `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":"\u0061"},{"itemIdentifier":"a"}]}`, `[[]]`, `"abc"`, `12`, `{"a":`, `{}{}`,
	} {
		f.Add(body)
	}
	records := []sources.Record{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "b"}, {ID: "d\ufffd"}}
	f.Fuzz(func(t *testing.T, body string) {
		v := &invoker{part: &part{Mapping: &Mapping{
			handler: Bytes(invokerFunc(nil)), recordID: stringID, config: Config{ReportBatchItemFailures: true},
		}}}
		given := []byte(body)
		o := v.judge(records, v.part.readBody(given, nil))
		var got string
		switch o.verdict {
		case succeeded:
			got = "....."
		case failed:
			got = "xxxxx"
		case partial:
			marks := bytes.Repeat([]byte("."), len(records))
			for i, f := range v.failed {
				if f {
					marks[i] = 'x'
				}
			}
			got = string(marks)
		case throttled:
			got = "throttled"
		}
		want := failedOf(body, records)
		if got != want || string(given) != body {
			t.Fatalf("%q: %s, want %s", body, got, want)
		}
		if o.failures != strings.Count(want, "x") {
			t.Fatalf("%q: %d failures of %s", body, o.failures, want)
		}
		if (o.response == nil) != (o.verdict == succeeded) || o.response != nil && o.response.FunctionError != nil {
			t.Fatalf("%q: response context %+v (DST-17)", body, o.response)
		}
	})
}
