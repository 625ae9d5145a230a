package esm

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources"
)

// Parse failures (SQS-70, SQS-85, KIN-153, KIN-154, KIN-160).
func TestParseFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fact, response string
		ids            []string
		malformed      bool
	}{
		{"SQS-70", ``, nil, false},
		{"SQS-70", `null`, nil, false},
		{"SQS-71", `{}`, nil, false},
		{"SQS-72", `{"batchItemFailures":[]}`, nil, false},
		{"SQS-72", ` { "batchItemFailures" : null } `, nil, false},
		{"SQS-73", `""`, nil, false},
		{"SQS-73", `[]`, nil, false},
		{"SQS-74", `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`, []string{"a", "b"}, false},
		{"SQS-75", `{"batchItemFailures":[{"foo":"a"}]}`, nil, true},
		{"SQS-75", `{"batchItemFailures":[{"foo":null}]}`, nil, true},
		{"SQS-76", `{"batchItemFailures":[{"itemIdentifier":""}]}`, nil, true},
		{"SQS-76", `{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, true},
		{"SQS-76", `{"batchItemFailures":[null]}`, nil, true},
		{"SQS-78", `not JSON`, nil, true},
		{"SQS-78", `{"batchItemFailures":`, nil, true},
		{"SQS-78", "\"\"\f", nil, true},
		{"SQS-78", "\v", nil, true},
		{"SQS-70", " \r\n\t", nil, false},
		{"SQS-83", `{"batchItemFailures":[{"itemIdentifier":7}]}`, nil, true},
		{"SQS-84", `{"batchItemFailures":[{"itemIdentifier":"a","more":1}],"extra":{}}`, []string{"a"}, false},
		{"SQS-85", `{"BatchItemFailures":[{"itemIdentifier":"a"}]}`, nil, false},
		{"SQS-85", `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`, nil, true},
		{"KIN-160", `{"batchItemFailures":{}}`, nil, true},
		{"KIN-160", `{"batchItemFailures":"a"}`, nil, true},
		{"KIN-160", `"abc"`, nil, true},
		{"KIN-160", `12`, nil, true},
		{"KIN-160", `true`, nil, true},
		{"KIN-160", `[1]`, nil, true},
	} {
		t.Run(c.fact+" "+c.response, func(t *testing.T) {
			t.Parallel()
			ids, err := parseFailures([]byte(c.response), stringID)
			if errors.Is(err, errResponse) != c.malformed || !c.malformed && err != nil {
				t.Fatalf("error %v, want malformed %v", err, c.malformed)
			}
			if !slices.Equal(ids, c.ids) {
				t.Errorf("got %q, want %q", ids, c.ids)
			}
		})
	}
}

// Mark failed (SQS-74, SQS-77, SQS-84, KIN-152).
func TestMarkFailed(t *testing.T) {
	t.Parallel()
	records := []sources.Record{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "b"}}
	for _, c := range []struct {
		ids  []string
		want string
		n    int
		bad  bool
	}{
		{nil, "....", 0, false},
		{[]string{"a"}, "x...", 1, false},
		{[]string{"c", "a", "c"}, "x.x.", 2, false},
		{[]string{"b"}, ".x.x", 2, false}, // delivered twice in one batch
		{[]string{"a", "z"}, "", 0, true},
	} {
		failed := make([]bool, len(records))
		n, err := markFailed(failed, records, c.ids)
		if (err != nil) != c.bad || n != c.n {
			t.Errorf("%q: %d, %v", c.ids, n, err)
		}
		got := bytes.Repeat([]byte("."), len(failed))
		for i, f := range failed {
			if f {
				got[i] = 'x'
			}
		}
		if !c.bad && string(got) != c.want {
			t.Errorf("%q: %s, want %s", c.ids, got, c.want)
		}
	}
}

// FuzzParseFailures compares with encoding/json where that agrees with the
// rules: it must never panic, never take malformed identifiers, and find every
// identifier of a right response.
func FuzzParseFailures(f *testing.F) {
	f.Add(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`)
	f.Add(`{"batchItemFailures":[{"itemIdentifier":"\ud800"}]}`)
	f.Add(` "" `)
	f.Fuzz(func(t *testing.T, response string) {
		ids, err := parseFailures([]byte(response), stringID)
		if slices.Contains(ids, "") {
			t.Fatal("an empty identifier")
		}
		if err == nil && len(strings.Trim(response, " \t\r\n")) > 0 && !json.Valid([]byte(response)) {
			t.Fatal("took what is not JSON")
		}
		quoted, _ := json.Marshal(response)
		right := `{"batchItemFailures":[{"itemIdentifier":` + string(quoted) + `}]}`
		ids, err = parseFailures([]byte(right), stringID)
		if response != "" && (err != nil || len(ids) != 1) {
			t.Fatalf("%s: %q, %v", right, ids, err)
		}
	})
}
