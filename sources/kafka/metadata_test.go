package kafka_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/filter"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

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
