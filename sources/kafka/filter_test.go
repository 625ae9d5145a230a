//go:build synctests

package kafka_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// Filtered records are committed with the others; text against a pattern of JSON
// passes (KAF-150, KAF-151, KAF-152, KAF-153, KAF-190).
func TestFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
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
	})
}

// A pattern of the topic keeps its records, and one that no record can match is
// refused rather than dropping all of them (FILT-55, P1).
func TestFilterByTopic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
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
	})
}

// A poll with no match at all is committed without an invocation.
func TestFilterOfAll_KAF152(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 50)
		config := unwindowed
		config.Filter = func(*sources.Record) bool { return false }
		m := start(t, w.options("g"), config, nil)
		w.until("all is committed", func() bool { return w.committed("g")[0] == 50 })
		if n := m.seen.total(); n != 0 {
			t.Errorf("%d records were handled", n)
		}
	})
}
