package esm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func patterns(filters ...string) esm.FilterCriteria { return esm.FilterCriteria{Filters: filters} }

// Of the specification, section 8.
const (
	largeInvoices  = `{"body":{"kind":["invoice"],"total":[{"numeric":[">=",100]}]}}`
	urgentOrEurope = `{"body":{"$or":[{"urgent":[true]},{"region":[{"prefix":"eu-"}]}]}}`
)

func TestFilterCriteriaOnAQueue(t *testing.T) {
	bodies := []string{
		`{"kind":"invoice","total":100}`,       // FILT-110
		`{"kind":"invoice","total":"100"}`,     // FILT-111
		`{"urgent":true}`,                      // FILT-112
		`{"region":["us-1","eu-3"]}`,           // FILT-113
		`hello`,                                // FILT-114
		`{"kind":{"a":"invoice"},"total":500}`, // FILT-115
		`hello world`,
	}
	for _, c := range []struct {
		name     string
		criteria esm.FilterCriteria
		pass     []int
	}{
		{"FILT06 none", patterns(), []int{0, 1, 2, 3, 4, 5, 6}},
		{"FILT77 one", patterns(largeInvoices), []int{0}},
		{"FILT04 or", patterns(largeInvoices, urgentOrEurope), []int{0, 2, 3}},
		{"FILT72 FILT75 text", patterns(`{"body":[{"prefix":"hello"}]}`), []int{4, 6}},
		{"FILT74 JSON or text", patterns(`{"body":["hello"]}`, `{"body":{"urgent":[true]}}`), []int{2, 4}},
		{"FILT44 FILT74 text has no absent member", patterns(`{"body":{"kind":[{"exists":false}]}}`), []int{2, 3, 5}},
		{"FILT73 FILT76 metadata", patterns(`{"attributes":{"ApproximateReceiveCount":["1"]}}`), []int{0, 1, 2, 3, 4, 5, 6}},
		{"FILT73 FILT76 other metadata", patterns(`{"attributes":{"ApproximateReceiveCount":["2"]}}`), nil},
		{"FILT55 body and metadata", patterns(`{"body":{"urgent":[true]},"attributes":{"SenderId":[{"exists":true}]}}`), []int{2}},
		{"FILT56 what pollers add is there", patterns(`{"eventSource":["aws:sqs"],"body":["hello"]}`), []int{4}},
		{"FILT56 and so cannot be absent", patterns(`{"eventSourceARN":[{"exists":false}]}`), nil},
		{"FILT03 ten", esm.FilterCriteria{Filters: append(slices.Repeat([]string{largeInvoices}, 9), urgentOrEurope), MaximumFilters: 10}, []int{0, 2, 3}},
		{"FILT37 extensions", esm.FilterCriteria{Filters: []string{`{"body":[{"wildcard":"h*d"}]}`}, Extensions: true}, []int{6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, bodies...)
				q.End()
				j := newJournal()
				mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{MaximumConcurrency: 1, FilterCriteria: c.criteria})))
				var want []string
				for _, i := range c.pass {
					want = append(want, bodies[i])
				}
				equal(t, "handled", j.seen(), want)
				equal(t, "deleted (FILT-90, FILT-91)", q.Deleted(), len(bodies))
				equal(t, "dead letters (SQS-61)", dlq.Len(), 0)
				for metric, want := range map[esm.Metric]int{
					esm.PolledEventCount: len(bodies), esm.FilteredOutEventCount: len(bodies) - len(c.pass),
					esm.InvokedEventCount: len(c.pass), esm.DeletedEventCount: len(bodies), esm.DroppedEventCount: 0,
				} {
					if c.name == "FILT06 none" && metric == esm.FilteredOutEventCount {
						want = 0
					}
					equal(t, string(metric), j.count(metric), want)
				}
			})
		})
	}
}

func TestFilterCriteriaOnAStream(t *testing.T) {
	bodies := []string{
		`{"temp":5}`,
		`{"temp":-5}`,
		`{"temp":"5"}`,
		`plain`,
		"\xff\x00",
		``,
		`{"temp":6,"wind":1}`,
	}
	for _, c := range []struct {
		name     string
		criteria esm.FilterCriteria
		pass     []int
	}{
		{"FILT78 FILT80 KIN204", patterns(`{"data":{"temp":[{"numeric":[">",0]}]}}`), []int{0, 6}},
		{"FILT80 KIN204 absent", patterns(`{"data":{"wind":[{"exists":false}]}}`), []int{0, 1, 2}},
		{"FILT79 KIN204 metadata", patterns(`{"partitionKey":["key-1","key-3"]}`), []int{1, 3}},
		{"FILT55 both", patterns(`{"data":{"temp":[{"exists":true}]},"sequenceNumber":["1","3","4"]}`), []int{0, 2}},
		{"FILT56", patterns(`{"eventName":["aws:kinesis:record"],"eventID":[{"suffix":":3"}]}`), []int{2}},
		{"arrival", patterns(`{"approximateArrivalTimestamp":[{"numeric":["=",946684800]}]}`), []int{0, 1, 2, 3, 4, 5, 6}},
	} {
		for _, factor := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/factor %d", c.name, factor), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := memory.NewStream(memory.StreamOptions{})
					for i, body := range bodies {
						s.Put(fmt.Sprint("key-", i), []byte(body))
					}
					s.End()
					j := newJournal()
					mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{
						ParallelizationFactor: factor, FilterCriteria: c.criteria,
					})))
					var want []string
					for _, i := range c.pass {
						want = append(want, bodies[i])
					}
					got := j.seen()
					slices.Sort(got)
					slices.Sort(want)
					equal(t, "handled", got, want)
					equal(t, "position (FILT-92, KIN-206)", s.Position("app", s.Partitions()[0]), strconv.Itoa(len(bodies)))
					equal(t, "polled", j.count(esm.PolledEventCount), len(bodies))
					equal(t, "filtered out (FILT-96)", j.count(esm.FilteredOutEventCount), len(bodies)-len(c.pass))
					equal(t, "committed", j.count(esm.CommittedEventCount), len(bodies))
					equal(t, "dropped (FILT-96)", j.count(esm.DroppedEventCount), 0)
				})
			})
		}
	}
}

// A filtered record behind an unfinished one moves no position (P3) (KIN-206).
func TestFilteredRecordsWaitForThoseBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(`{"a":1}`, `{"b":1}`, `{"b":2}`)
		j := newJournal()
		answer := make(chan struct{})
		stop := background(t, mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			<-answer
			return esm.Response{}, nil
		}), j.config(esm.Config{FilterCriteria: patterns(`{"data":{"a":[1]}}`)})))
		time.Sleep(time.Second)
		equal(t, "filtered out meanwhile", j.count(esm.FilteredOutEventCount), 2)
		equal(t, "lag while the first one is handled", s.Lag("app"), 3)
		close(answer)
		time.Sleep(time.Second)
		equal(t, "lag afterwards", s.Lag("app"), 0)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

func TestFilteringComesBeforeBatching_ESM42(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{})
		for i := range 100 {
			q.Send(fmt.Sprintf(`{"n":%d}`, i%5))
		}
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{
			BatchSize: 8, MaximumBatchingWindow: time.Second, MaximumConcurrency: 1, FilterCriteria: patterns(`{"body":{"n":[3]}}`),
		})))
		equal(t, "batches count matching records only", j.sizes(), []int{8, 8, 4})
	})
}

// All filtered out invokes nothing (ESM-43, SQS-61, KIN-206).
func TestAllFilteredOutInvokesNothing(t *testing.T) {
	never := esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("invoked") }))
	for _, window := range []time.Duration{0, 5 * time.Second} {
		t.Run(fmt.Sprint("window ", window), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := queueOf(memory.QueueOptions{}, numbers(50)...)
				j := newJournal()
				stop := background(t, mustNew(t, q.Source(), never, j.config(esm.Config{
					MaximumBatchingWindow: window, FilterCriteria: patterns(`{"body":{"n":[3]}}`),
				})))
				equal(t, "deleted at once", q.Deleted(), 50)
				time.Sleep(time.Hour)
				_, err := stop()
				equal(t, "Run", err, nil)
				s := streamOf(numbers(50)...)
				stop = background(t, mustNew(t, s.Source("app"), never, j.config(esm.Config{
					MaximumBatchingWindow: window, FilterCriteria: patterns(`{"data":{"n":[3]}}`),
				})))
				equal(t, "passed at once", s.Lag("app"), 0)
				time.Sleep(time.Hour)
				_, err = stop()
				equal(t, "Run", err, nil)
				equal(t, "filtered out", j.count(esm.FilteredOutEventCount), 100)
				equal(t, "invoked", j.count(esm.InvokedEventCount), 0)
			})
		})
	}
}

// The function sees what passed the patterns, each record once however often
// its batch is invoked.
func TestFilterFunctionAndPatterns_ESM81(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := map[string]int{}
		function := func(r *sources.Record) bool {
			mu.Lock()
			defer mu.Unlock()
			asked[string(r.Data)]++
			return !strings.Contains(string(r.Data), "no")
		}
		for _, factor := range []int{1, 3} {
			clear(asked)
			s := streamOf(`{"a":"no"}`, `{"a":"yes"}`, `{"b":"no"}`, `{"b":"yes"}`)
			s.End()
			j := newJournal()
			tries := 0
			mustRun(t, mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
				if tries++; tries < 4 {
					return esm.Response{}, errHandler
				}
				return esm.Response{}, nil
			}), j.config(esm.Config{
				ParallelizationFactor: factor, Filter: function, FilterCriteria: patterns(`{"data":{"a":[{"exists":true}]}}`),
			})))
			equal(t, "handled", slices.Compact(j.seen()), []string{`{"a":"yes"}`})
			equal(t, "invoked", len(j.seen()), 4)
			equal(t, "asked", asked, map[string]int{`{"a":"no"}`: 1, `{"a":"yes"}`: 1})
			equal(t, "filtered out", j.count(esm.FilteredOutEventCount), 3)
		}
	})
}

func TestFilterThatPanicsLosesNothing_P1(t *testing.T) {
	function := func(r *sources.Record) bool {
		if len(r.Data) == 1 {
			panic("filter panics")
		}
		return string(r.Data) < "50"
	}
	bubble(t, func(t *testing.T) {
		log := &strings.Builder{}
		var mu sync.Mutex
		j := newJournal()
		config := j.config(esm.Config{Filter: function, MaximumConcurrency: 1})
		config.Logger = slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return log.Write(p)
		}), nil))
		q := queueOf(memory.QueueOptions{}, numbers(100)...)
		q.End()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), config))
		equal(t, "handled", j.seen(), numbers(50))
		s := streamOf(numbers(100)...)
		s.End()
		config.MaximumConcurrency = 0
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), config))
		equal(t, "handled", j.seen(), append(numbers(50), numbers(50)...))
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "filtered out", j.count(esm.FilteredOutEventCount), 100)
		for _, want := range []string{`filter panicked: filter panics`, "records=10", "filtering_test.go"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log)
			}
		}
	})
}

// An adapter that panics costs no record either.
func TestMetadataThatPanicsLosesNothing_P1(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(10)...)
		q.End()
		calls := 0
		source := &filterable{Source: q.Source(), filtering: sources.Filtering{
			Key: "body", Text: true, Members: []sources.Member{{Name: "a", Kind: sources.Number}},
			AppendMetadata: func(dst []byte, _ string, _ *sources.Record, _ []sources.AskedMember) []byte {
				if calls++; calls%2 == 0 {
					panic("metadata panics")
				}
				return append(dst, `{"a":2}`...)
			},
		}}
		j := newJournal()
		mustRun(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{
			MaximumConcurrency: 1, FilterCriteria: patterns(`{"a":[1]}`),
		})))
		equal(t, "handled", j.seen(), []string{"1", "3", "5", "7", "9"})
		equal(t, "deleted", q.Deleted(), 10)
	})
}

func TestEventDocumentIsAsWithoutFilter_FILT08(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const body = `{ "kind" : "invoice", "total" : 1e2 }`
		q := queueOf(memory.QueueOptions{}, body, "text")
		q.End()
		j := newJournal()
		var got []string
		handler := esm.Typed(func(_ context.Context, event events.SQSEvent) error {
			for _, m := range event.Records {
				got = append(got, m.Body)
			}
			return nil
		})
		mustRun(t, mustNew(t, q.Source(), handler, j.config(esm.Config{FilterCriteria: patterns(largeInvoices)})))
		equal(t, "bodies", got, []string{body})
	})
}

// What is kept of a mismatch, and what has no body, is the adapter's to say
// (FILT-82..88) (FILT-84, FILT-85, FILT-88).
func TestFilteringAsTheSourceSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(`{"level":"ERROR"}`, `{"level":"INFO"}`, "text", "\xff")
		s.Put("tombstone", nil)
		s.End()
		source := &filterable{Source: s.Source("app"), filtering: sources.Filtering{Key: "value", Text: true, KeepMismatch: true}}
		j := newJournal()
		mustRun(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{FilterCriteria: patterns(`{"value":{"level":["ERROR"]}}`)})))
		equal(t, "handled", fmt.Sprintf("%q", j.seen()), `["{\"level\":\"ERROR\"}" "text" "\xff"]`)

		// Without AppendMetadata there are no metadata.
		source = &filterable{Source: s.Source("other"), filtering: source.filtering}
		source.filtering.Members = []sources.Member{{Name: "topic", Kind: sources.Text}}
		j = newJournal()
		mustRun(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{FilterCriteria: patterns(`{"topic":[{"exists":false}],"value":["text"]}`)})))
		equal(t, "handled", fmt.Sprintf("%q", j.seen()), `["{\"level\":\"ERROR\"}" "{\"level\":\"INFO\"}" "text" "\xff"]`)
	})
}

// What counts for the lanes is what the source has, not what passes: a batch
// that the filter left small is no sign of an empty queue.
func TestFilteredBacklogAddsLanes_SQS20(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{})
		for i := range 4000 {
			q.Send(fmt.Sprintf(`{"odd":%t}`, i%2 == 1))
		}
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(5 * time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 10, FilterCriteria: patterns(`{"body":{"odd":[true]}}`)})))
		equal(t, "handled", len(j.seen()), 2000)
		if j.peak() < 50 {
			t.Errorf("at most %d batches at once", j.peak())
		}
	})
}

// Groups stay in order though messages between are filtered out (P4, SQS-30).
func TestFilteredGroupsStayInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{FIFO: true})
		for i := range 60 {
			q.SendGroup(fmt.Sprint("group ", i%3), fmt.Sprintf(`{"group":%d,"n":%d,"pass":%t}`, i%3, i, i%4 != 0))
		}
		q.End()
		j := newJournal()
		var mu sync.Mutex
		last := map[int]int{}
		handled := 0
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range records {
				var m struct {
					Group int `json:"group"`
					N     int `json:"n"`
				}
				if err := json.Unmarshal(r.Data, &m); err != nil || m.N < last[m.Group] || m.N%4 == 0 {
					t.Errorf("%s after %d: %v", r.Data, last[m.Group], err)
				}
				last[m.Group] = m.N
				handled++
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{FilterCriteria: patterns(`{"body":{"pass":[true]}}`)})))
		equal(t, "handled", handled, 45)
		equal(t, "deleted", q.Deleted(), 60)
	})
}

// A stop settles what is filtered out already and gives nothing to anybody.
func TestStopSettlesWhatIsFilteredOut_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{})
		j := newJournal()
		var acks atomic.Int32
		source := &stub{Source: q.Source(), ack: func([]sources.Record) error {
			if acks.Add(1) == 1 {
				return errors.New("try again")
			}
			return nil
		}}
		stop := background(t, mustNew(t, &filterable{Source: source, filtering: sources.Filtering{Key: "body"}}, j.handler(nil),
			j.config(esm.Config{FilterCriteria: patterns(`{"body":{"n":[3]}}`)})))
		q.Send("filtered out")
		time.Sleep(time.Microsecond)
		_, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "deleted", q.Deleted(), 1)
	})
}

// Filter violations (API-26, API-67, API-83).
func TestFilterViolations(t *testing.T) {
	t.Parallel()
	const (
		good = `{"body":["x"]}`
		any5 = "must be at most MaximumFilters (5)"
	)
	plain := func() sources.Source { return bare{memory.NewQueue(memory.QueueOptions{}).Source()} }
	queue := func() sources.Source { return memory.NewQueue(memory.QueueOptions{}).Source() }
	for name, c := range map[string]struct {
		source   func() sources.Source
		criteria esm.FilterCriteria
		want     []esm.Violation
	}{
		"FILT03 six": {queue, patterns(slices.Repeat([]string{good}, 6)...), []esm.Violation{{"FilterCriteria.Filters", "6 patterns", any5}}},
		"FILT03 eleven": {
			queue, esm.FilterCriteria{Filters: slices.Repeat([]string{good}, 11), MaximumFilters: 10},
			[]esm.Violation{{"FilterCriteria.Filters", "11 patterns", "must be at most MaximumFilters (10)"}},
		},
		"FILT03 quota too high": {queue, esm.FilterCriteria{MaximumFilters: 11}, []esm.Violation{
			{"FilterCriteria.MaximumFilters", "11", "must be between 1 and 10"},
		}},
		"FILT03 quota negative": {queue, esm.FilterCriteria{MaximumFilters: -1}, []esm.Violation{
			{"FilterCriteria.MaximumFilters", "-1", "must be between 1 and 10"},
		}},
		"every one": {queue, patterns(`{"body":{"city":"Espoo"}}`, good, `simple string`, `{"body":[{"wildcard":"*"}]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"body\":{\"city\":\"Espoo\"}}"`, "must be a filter pattern: body.city: must be an array or an object"},
			{"FilterCriteria.Filters[2]", `"simple string"`, "must be a filter pattern: is not JSON"},
			{"FilterCriteria.Filters[3]", `"{\"body\":[{\"wildcard\":\"*\"}]}"`, "must be a filter pattern: body: wildcard: is not among AWS Lambda's operators"},
		}},
		"a member of no record": {queue, patterns(`{"Body":["x"]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"Body\":[\"x\"]}"`, "Body: records of this source have no such member, only attributes, awsRegion, body,"},
		}},
		"FILT57 the member around": {stream, patterns(`{"$or":[{"data":{"a":[1]}},{"kinesis":{"data":[1]}}]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"$or\":[{\"data\":{\"a\":[1]}},{\"kinesis\":{\"data\":[1]}}]}"`, "$or.kinesis: records of this source have no such member"},
		}},
		"a source without metadata": {
			func() sources.Source { return &filterable{queue(), sources.Filtering{Key: "body"}} }, patterns(`{"topic":[{"exists":false}]}`),
			[]esm.Violation{{"FilterCriteria.Filters[0]", `"{\"topic\":[{\"exists\":false}]}"`, "topic: records of this source have no such member, only body"}},
		},
		"a member of no object": {queue, patterns(`{"attributes":{"Sent":["1"]}}`, good, `{"messageId":{"x":[{"exists":false}]}}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"attributes\":{\"Sent\":[\"1\"]}}"`, "attributes.Sent: records of this source have no such member, only AWSTraceHeader, Approximate"},
			{"FilterCriteria.Filters[2]", `"{\"messageId\":{\"x\":[{\"exists\":false}]}}"`, "messageId.x: records of this source have no such member, a text has none"},
		}},
		"FILT44 an object as a value": {queue, patterns(`{"messageAttributes":[{"exists":true}]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"messageAttributes\":[{\"exists\":true}]}"`, "messageAttributes: is an object, the pattern must name members of it"},
		}},
		"a value of another kind": {stream, patterns(`{"sequenceNumber":[1,null]}`, `{"approximateArrivalTimestamp":[{"prefix":"2"}]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"sequenceNumber\":[1,null]}"`, "sequenceNumber: is a text, the pattern asks for null or a number"},
			{"FilterCriteria.Filters[1]", `"{\"approximateArrivalTimestamp\":[{\"prefix\":\"2\"}]}"`, "approximateArrivalTimestamp: is a number, the pattern asks for a text"},
		}},
		"FILT69 empty": {queue, patterns(""), []esm.Violation{{"FilterCriteria.Filters[0]", `""`, "must be a filter pattern: is empty"}}},
		"FILT68 KIN205 text on a stream": {stream, patterns(`{"data":["x"]}`), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"{\"data\":[\"x\"]}"`, "must be a filter pattern: data: must be an object: this source is filtered by JSON only"},
		}},
		"a long pattern is cut": {queue, patterns(strings.Repeat("x", 100)), []esm.Violation{
			{"FilterCriteria.Filters[0]", `"` + strings.Repeat("x", 60) + `"`, "must be a filter pattern: is not JSON"},
		}},
		"FILT10 no filtering": {plain, patterns(good), []esm.Violation{
			{"FilterCriteria", "set", "must be empty, filter patterns are not supported for this source"},
		}},
		"FILT10 no filtering and too many": {plain, patterns(slices.Repeat([]string{good}, 6)...), []esm.Violation{
			{"FilterCriteria.Filters", "6 patterns", any5},
			{"FilterCriteria", "set", "must be empty, filter patterns are not supported for this source"},
		}},
		"the adapter names no body": {
			func() sources.Source { return &filterable{Source: queue()} }, patterns(good),
			[]esm.Violation{{"FilterCriteria.Filters[0]", `"{\"body\":[\"x\"]}"`, "must be a filter pattern: the key of the body is empty"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := esm.New(c.source(), esm.Records(nothing), esm.Config{FilterCriteria: c.criteria})
			wrong, ok := errors.AsType[*esm.ConfigError](err)
			if !ok || len(wrong.Violations) != len(c.want) {
				t.Fatalf("New: %v", err)
			}
			for i, want := range c.want {
				got := wrong.Violations[i]
				if got.Field != want.Field || got.Value != want.Value || !strings.HasPrefix(got.Bound, want.Bound) {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		})
	}
	for name, config := range map[string]esm.Config{
		"five":                      {FilterCriteria: patterns(slices.Repeat([]string{good}, 5)...)},
		"ten FILT03":                {FilterCriteria: esm.FilterCriteria{Filters: slices.Repeat([]string{good}, 10), MaximumFilters: 10}},
		"an empty list API-114":     {FilterCriteria: esm.FilterCriteria{Filters: []string{}}},
		"extensions FILT36":         {FilterCriteria: esm.FilterCriteria{Filters: []string{`{"body":[{"wildcard":"*"}]}`}, Extensions: true}},
		"a function on any source":  {Filter: func(*sources.Record) bool { return true }},
		"pasted, with line breaks ": {FilterCriteria: patterns("\n{\n    \"body\": {\n        \"kind\": [ \"invoice\" ]\n    }\n}\n")},
	} {
		source := queue()
		if config.Filter != nil {
			source = plain()
		}
		if _, err := esm.New(source, esm.Records(nothing), config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// filterable is a source with another filtering than its own.
type filterable struct {
	sources.Source
	filtering sources.Filtering
}

func (f *filterable) Filtering() sources.Filtering { return f.filtering }

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
