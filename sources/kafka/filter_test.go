package kafka_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/filter"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// Filtered records are committed with the others; text against a pattern of JSON
// passes (KAF-150, KAF-151, KAF-152, KAF-153, KAF-190).
func TestFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for _, value := range []string{`{"price":5}`, `{"price":50}`, `no JSON`, `{"price":7}`} {
		w.put(0, "k", value)
	}
	config := unwindowed
	config.FilterCriteria.Filters = []string{`{"value":{"price":[{"numeric":[">",10]}]}}`}
	m := start(t, w.options("g"), config, nil)
	m.seen.await(t, 2)
	w.until("all is committed", func() bool { return w.committed("g")[0] == 4 })
	if got := m.seen.of("orders-0"); !slices.Equal(got, []string{`{"price":50}`, `no JSON`}) {
		t.Errorf("handled %v", got)
	}
}

// Patterns name what the event document says of a record beside its value (FILT-53, FILT-55).
func TestFilterMetadata(t *testing.T) {
	t.Parallel()
	headers := func(pairs ...string) []kgo.RecordHeader {
		var all []kgo.RecordHeader
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, kgo.RecordHeader{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return all
	}
	records := []*kgo.Record{
		{Key: []byte("a"), Headers: headers("kind", "invoice", "tenant", "eu-1")},
		{Key: []byte(`{"id":7}`), Headers: headers("kind", "order", "kind", "invoice")},
		{Headers: append(headers("x", `{"n":[1,2]}`), kgo.RecordHeader{Key: "empty"})},
		{Key: []byte("a\xff"), Headers: headers("kind\"", "\xff", "tenant", "us-1")},
	}
	all := []string{"0", "1", "2", "3"}
	for name, c := range map[string]struct {
		pattern string
		want    []string
	}{
		"topic":                  {`{"topic":["orders"]}`, all},
		"another topic":          {`{"topic":[{"anything-but":"orders"}]}`, nil},
		"partition":              {`{"partition":[0],"timestampType":["CREATE_TIME"]}`, all},
		"offset":                 {`{"offset":[{"numeric":[">=",1,"<",3]}]}`, []string{"1", "2"}},
		"time":                   {`{"timestamp":[{"numeric":["=",1700000000123]}]}`, all},
		"key":                    {`{"key":["a"]}`, []string{"0"}},
		"key of JSON":            {`{"key":{"id":[7]}}`, []string{"1"}},
		"no key":                 {`{"key":[{"exists":false}]}`, []string{"1", "2"}}, // an object is no leaf (FILT-44)
		"binary key":             {`{"key":[{"prefix":"a"}]}`, []string{"0", "3"}},
		"header":                 {`{"headers":{"kind":["invoice"]}}`, []string{"0", "1"}},
		"two headers":            {`{"headers":{"kind":["invoice"],"tenant":[{"prefix":"eu-"}]}}`, []string{"0"}},
		"no header":              {`{"headers":{"kind":[{"exists":false}]}}`, []string{"2", "3"}},
		"header of JSON":         {`{"headers":{"x":{"n":[2]}}}`, []string{"2"}},
		"header without a value": {`{"headers":{"empty":[null]}}`, []string{"2"}},
		"odd header":             {`{"headers":{"kind\"":[{"exists":true}]}}`, []string{"3"}},
		"with the value":         {`{"value":["0","3"],"headers":{"tenant":["us-1"]}}`, []string{"3"}},
		"alternatives":           {`{"$or":[{"key":["a"]},{"headers":{"empty":[{"exists":true}]}}]}`, []string{"0", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, err := kafka.New(kafka.Options{BootstrapServers: []string{"k:9092"}, Topics: []string{"orders"}, ConsumerGroupID: "g"})
			if err != nil {
				t.Fatal(err)
			}
			filtering := source.Filtering()
			nothing := esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
			if _, err := esm.New(source, nothing, esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{c.pattern}}}); err != nil {
				t.Error(err)
			}
			criteria, err := filter.Compile([]string{c.pattern}, filter.Body{
				Key: filtering.Key, Text: filtering.Text, KeepMismatch: filtering.KeepMismatch,
			}, filter.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var asked []sources.AskedMember
			for name, fields := range criteria.Metadata() {
				asked = append(asked, sources.AskedMember{Name: name, Fields: fields})
			}
			var got []string
			for i, r := range records {
				n := *r
				n.Topic, n.Offset, n.Timestamp = "orders", int64(i), time.UnixMilli(1700000000123)
				record := sources.Record{Data: []byte(strconv.Itoa(i)), Native: &n}
				if criteria.Match(record.Data, func(dst []byte) []byte { return filtering.AppendMetadata(dst, "orders-0", &record, asked) }) {
					got = append(got, strconv.Itoa(i))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v pass, want %v", got, c.want)
			}
		})
	}
}

// A pattern of the topic keeps its records, and one that no record can match is
// refused rather than dropping all of them (FILT-55, P1).
func TestFilterByTopic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.send(0, 0, 3)
	config := unwindowed
	config.FilterCriteria.Filters = []string{`{"topic":["` + w.topic + `"],"headers":{"kind":[{"exists":false}]}}`}
	m := start(t, w.options("g"), config, nil)
	m.seen.await(t, 3)
	w.until("all is committed", func() bool { return w.committed("g")[0] == 3 })
	source, err := kafka.New(w.options("g"))
	if err != nil {
		t.Fatal(err)
	}
	const none = ": records of this source have no such member"
	const all = ", only headers, key, offset, partition, timestamp, timestampType, topic, value"
	for pattern, want := range map[string]string{
		`{"topics":["orders"]}`:         "topics" + none + all,
		`{"eventSource":["aws:kafka"]}`: "eventSource" + none + all,
		`{"body":{"a":[1]}}`:            "body" + none + all,
		`{"topic":{"x":["y"]}}`:         "topic.x" + none + ", a text has none",
		`{"offset":{"x":["y"]}}`:        "offset.x" + none + ", a number has none",
		`{"partition":["0"]}`:           "partition: is a number, the pattern asks for a text",
		`{"timestampType":[0]}`:         "timestampType: is a text, the pattern asks for a number",
		`{"headers":[{"exists":true}]}`: "headers: is an object, the pattern must name members of it",
	} {
		config.FilterCriteria.Filters = []string{pattern}
		_, err = esm.New(source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil }), config)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// What a pattern does not name is not built, and nothing is allocated for what it does.
func TestMetadataHoldsWhatIsAsked(t *testing.T) { //nolint:paralleltest // counts allocations
	source, err := kafka.New(kafka.Options{BootstrapServers: []string{"k:9092"}, Topics: []string{"orders"}, ConsumerGroupID: "g"})
	if err != nil {
		t.Fatal(err)
	}
	record := sources.Record{Native: &kgo.Record{
		Topic: "orders", Partition: 3, Offset: 9, Key: []byte(`{"a":1}`),
		Headers: []kgo.RecordHeader{{Key: "kind", Value: []byte("x")}, {Key: "other", Value: make([]byte, 1<<10)}},
	}}
	asked := []sources.AskedMember{{Name: "headers", Fields: []string{"kind", "none"}}, {Name: "key"}, {Name: "topic"}}
	dst := make([]byte, 0, 1<<10)
	appendMetadata := source.Filtering().AppendMetadata
	if got := testing.AllocsPerRun(1000, func() { dst = appendMetadata(dst[:0], "", &record, asked) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
	const want = `{"headers":{"kind":["x"]},"key":{"a":1},"topic":"orders"}`
	if string(dst) != want {
		t.Errorf("got %s, want %s", dst, want)
	}
}

// A poll with no match at all is committed without an invocation.
func TestFilterOfAll_KAF152(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.send(0, 0, 50)
	config := unwindowed
	config.Filter = func(*sources.Record) bool { return false }
	m := start(t, w.options("g"), config, nil)
	w.until("all is committed", func() bool { return w.committed("g")[0] == 50 })
	if n := m.seen.total(); n != 0 {
		t.Errorf("%d records were handled", n)
	}
}
