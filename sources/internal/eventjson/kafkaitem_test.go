package eventjson_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// partitionName returns what a partition is called in documents, and in
// the answers of functions to them: topic, hyphen, number (KAF-66, KAF-83).
func partitionName(topic string, partition int32) string {
	return topic + "-" + strconv.Itoa(int(partition))
}

// splitPartitionName takes apart what partitionName made, at the
// last hyphen, as topics may have hyphens too (KAF-188). ok is false for all
// else, such as a number with a zero in front.
func splitPartitionName(name string) (topic string, partition int32, ok bool) {
	const decimal, size = 10, 32
	at := strings.LastIndexByte(name, '-')
	if at <= 0 {
		return "", 0, false
	}
	number, err := strconv.ParseInt(name[at+1:], decimal, size)
	if err != nil || strconv.FormatInt(number, decimal) != name[at+1:] {
		return "", 0, false
	}
	return name[:at], int32(number), true
}

// Split partition name (KAF-83, KAF-188).
func TestSplitPartitionName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		topic     string
		partition int32
		ok        bool
	}{
		"orders-0":          {"orders", 0, true},
		"orders-10":         {"orders", 10, true},
		"orders-2147483647": {"orders", math.MaxInt32, true},
		"a-b-c-7":           {"a-b-c", 7, true},
		"a-1-0":             {"a-1", 0, true},
		"a.b_c-3":           {"a.b_c", 3, true},
		"--1":               {"-", 1, true},
		"a--1":              {"a-", 1, true},
		"orders-2147483648": {},
		"orders-01":         {},
		"orders-00":         {},
		"orders-+1":         {},
		"orders-1_0":        {},
		"orders- 1":         {},
		"orders-x":          {},
		"orders-":           {},
		"orders":            {},
		"-1":                {},
		"-":                 {},
		"":                  {},
		"1":                 {},
	} {
		topic, partition, ok := splitPartitionName(name)
		if topic != want.topic || partition != want.partition || ok != want.ok {
			t.Errorf("%q: %q, %d, %t, want %+v", name, topic, partition, ok, want)
		}
		if back := partitionName(topic, partition); ok && back != name {
			t.Errorf("%q comes back as %q", name, back)
		}
	}
}

// TestParseKafkaItem also shows that an item names one record and no more
// (KAF-67, KAF-183) (KAF-66, KAF-68).
func TestParseKafkaItem(t *testing.T) {
	t.Parallel()
	type item struct {
		partition string
		offset    int64
		ok        bool
	}
	for text, want := range map[string]item{
		`{"partition":"orders-0","offset":100}`:                   {"orders-0", 100, true},
		"{\t\"offset\" :7 ,\n\"partition\": \"orders-3\"}\r\n":    {"orders-3", 7, true},
		`{"partition":"a","offset":0}`:                            {"a", 0, true},
		`{"partition":"a","offset":-0}`:                           {"a", 0, true},
		`{"partition":"a","offset":9223372036854775807}`:          {"a", math.MaxInt64, true},
		`{"partition":"\u0061-\u0031","offset":1}`:                {"a-1", 1, true},
		`{"partition":"a","offset":1,"topic":{"x":[1e999]}}`:      {"a", 1, true},
		`{"partition":"a","partition":"b","offset":1,"offset":2}`: {"b", 2, true},
		`{"partition":7,"partition":"b","offset":"","offset":2}`:  {"b", 2, true},
		`{"partition":"a","Partition":"b","offset":1,"OFFSET":2}`: {"a", 1, true},
		`{"partition":"a","offset":1,"offset":null}`:              {},
		`{"partition":"a","offset":1,"partition":null}`:           {},
		`{"Partition":"a","offset":1}`:                            {},
		`{"partition":"a","Offset":1}`:                            {},
		`{"partition":"a"}`:                                       {},
		`{"offset":1}`:                                            {},
		`{"partition":"","offset":1}`:                             {},
		`{"partition":null,"offset":1}`:                           {},
		`{"partition":"a","offset":null}`:                         {},
		`{"partition":0,"offset":1}`:                              {},
		`{"partition":["a"],"offset":1}`:                          {},
		`{"partition":"a","offset":-1}`:                           {},
		`{"partition":"a","offset":"100"}`:                        {},
		`{"partition":"a","offset":1.0}`:                          {},
		`{"partition":"a","offset":1.5}`:                          {},
		`{"partition":"a","offset":1e2}`:                          {},
		`{"partition":"a","offset":true}`:                         {},
		`{"partition":"a","offset":[1]}`:                          {},
		`{"partition":"a","offset":01}`:                           {},
		`{"partition":"a","offset":9223372036854775808}`:          {},
		`{"partition":"a","offset":1}{}`:                          {},
		`{"partition":"a","offset":1`:                             {},
		`[{"partition":"a","offset":1}]`:                          {},
		`"orders-0"`:                                              {},
		`100`:                                                     {},
		`null`:                                                    {},
		`{}`:                                                      {},
		`[]`:                                                      {},
		``:                                                        {},
	} {
		partition, offset, ok := eventjson.ParseKafkaItem([]byte(text))
		if got := (item{partition, offset, ok}); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}
