package eventjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	clusterARN       = "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/11111111-2222-3333-4444-555555555555-1"
	bootstrapServers = "b-1.shop.example.com:9092,b-2.shop.example.com:9092"
)

func msk() *eventjson.Kafka { return eventjson.NewKafka("aws:kafka", clusterARN, bootstrapServers) }

// same is the view of records that are the package's already.
func same(r, to *eventjson.KafkaRecord) { *to = *r }

func orders() []eventjson.KafkaRecord {
	return []eventjson.KafkaRecord{
		{
			Topic: "orders", Partition: 0, Offset: 15, Timestamp: 1767225601123,
			Key: []byte("o-1"), Value: []byte(`{"price": 12}`),
			Headers: []eventjson.KafkaHeader{
				{Key: "traceId", Value: []byte("abc")},
				{Key: "raw", Value: []byte{0, 127, 128, 255}},
			},
		},
		{
			Topic: "orders", Partition: 3, Offset: 7, Timestamp: 1767225601200,
			TimestampType: eventjson.KafkaLogAppendTime, Value: []byte(`{"price": 7}`),
		},
	}
}

// appendKafka returns the document of records, behind something else, and
// checks what it is said to take, and that it takes no more.
func appendKafka(t *testing.T, k *eventjson.Kafka, records ...eventjson.KafkaRecord) []byte {
	t.Helper()
	got := eventjson.AppendKafka(k, []byte("before"), records, same)
	if !bytes.HasPrefix(got, []byte("before")) {
		t.Fatalf("what stood before is gone: %s", got)
	}
	got = got[len("before"):]
	if size := kafkaSize(k, records); size != len(got) {
		t.Errorf("size = %d, want %d of %s", size, len(got), got)
	}
	room := make([]byte, 1, 1+len(got))
	if again := eventjson.AppendKafka(k, room, records, same); &again[0] != &room[0] || !bytes.Equal(again[1:], got) {
		t.Errorf("not the same in just enough room: %s", again)
	}
	return got
}

// kafkaSize adds up what a document of records takes.
func kafkaSize(k *eventjson.Kafka, records []eventjson.KafkaRecord) int {
	size := k.Overhead()
	seen := map[string]bool{}
	for i := range records {
		r := &records[i]
		size += r.Size()
		if name := partitionName(r.Topic, r.Partition); !seen[name] {
			seen[name] = true
			size += eventjson.KafkaPartitionOverhead(r.Topic, r.Partition)
		}
	}
	if len(records) > 0 {
		size-- // the comma that would be behind the last record
	}
	return size
}

// Kafka document (KAF-80, KAF-81, KAF-82, KAF-84, KAF-86).
func TestKafkaDocument(t *testing.T) {
	t.Parallel()
	checkDocument(t, appendKafka(t, msk(), orders()...), "kafka_msk")
	first := orders()[0]
	first.Headers = nil
	selfManaged := eventjson.NewKafka("SelfManagedKafka", "", "k1.example.com:9092,k2.example.com:9092")
	checkDocument(t, appendKafka(t, selfManaged, first), "kafka_selfmanaged")
}

func TestKafkaEmptyDocument_KAF80(t *testing.T) {
	t.Parallel()
	got := appendKafka(t, eventjson.NewKafka(`"\`, "\x00", ""))
	if want := `{"eventSource":"\"\\","eventSourceArn":"\u0000","bootstrapServers":"","records":{}}`; string(got) != want {
		t.Errorf("document = %s, want %s", got, want)
	}
}

// TestKafkaRoundTrip reads documents with AWS's own type (KAF-80, KAF-84, KAF-86, KAF-89).
func TestKafkaRoundTrip(t *testing.T) {
	t.Parallel()
	records := append(orders(), eventjson.KafkaRecord{
		Topic: "a.b_c-d", Partition: math.MaxInt32, Offset: math.MaxInt64, Timestamp: -1,
		Key: []byte{}, Value: []byte{0xff, 0xfe}, Headers: []eventjson.KafkaHeader{{Key: "é\"\n"}, {Key: "é\"\n", Value: []byte{200}}},
	})
	var got events.KafkaEvent
	if err := json.Unmarshal(appendKafka(t, msk(), records...), &got); err != nil {
		t.Fatal(err)
	}
	want := kafkaEvent(records)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("event\n got %+v\nwant %+v", got, want)
	}
}

// kafkaEvent is the document of msk and records as the events package has it
// after decoding.
func kafkaEvent(records []eventjson.KafkaRecord) events.KafkaEvent {
	event := events.KafkaEvent{
		EventSource: "aws:kafka", EventSourceARN: clusterARN, BootstrapServers: bootstrapServers,
		Records: map[string][]events.KafkaRecord{},
	}
	for _, r := range records {
		headers := make([]map[string]events.JSONNumberBytes, len(r.Headers))
		for i, h := range r.Headers {
			headers[i] = map[string]events.JSONNumberBytes{h.Key: append(events.JSONNumberBytes{}, h.Value...)}
		}
		name, ms := r.Topic+"-"+strconv.Itoa(int(r.Partition)), r.Timestamp
		if timestampName(r.TimestampType) == "NO_TIMESTAMP_TYPE" {
			ms = -1
		}
		event.Records[name] = append(event.Records[name], events.KafkaRecord{
			Topic: r.Topic, Partition: int64(r.Partition), Offset: r.Offset,
			Timestamp:     events.MilliSecondsEpochTime{Time: time.UnixMilli(ms)},
			TimestampType: timestampName(r.TimestampType),
			Key:           base64.StdEncoding.EncodeToString(r.Key), Value: base64.StdEncoding.EncodeToString(r.Value),
			Headers: headers,
		})
	}
	return event
}

func timestampName(t eventjson.KafkaTimestampType) string {
	switch t {
	case eventjson.KafkaCreateTime:
		return "CREATE_TIME"
	case eventjson.KafkaLogAppendTime:
		return "LOG_APPEND_TIME"
	default:
		return "NO_TIMESTAMP_TYPE"
	}
}

// TestKafkaPartitions mixes partitions, and topics that have one's name in
// another's, and tells them apart by their keys (KAF-83, KAF-180, KAF-188).
func TestKafkaPartitions(t *testing.T) {
	t.Parallel()
	for name, partitions := range map[string][]string{
		"one":           {"a-0", "a-0", "a-0"},
		"runs":          {"a-1", "a-1", "a-0", "a-0", "a-2"},
		"by turns":      {"a-0", "a-1", "a-0", "a-1", "a-0"},
		"back":          {"a-0", "a-1", "a-1", "a-0", "a-0", "a-1", "b-0", "a-1"},
		"one each":      {"a-3", "a-2", "a-1", "a-0"},
		"hyphens":       {"a-1-0", "a-0", "a-1", "a--0", "a-1-1", "a-1-0", "a--0", "a-1", "--7"},
		"dots":          {"a.b-0", "a.b.c_d-10", "a.b-1", ".-0", "a.b.c_d-10"},
		"large numbers": {"a-2147483647", "a-214748364", "a-2147483647"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := make([]eventjson.KafkaRecord, len(partitions))
			for i, partition := range partitions {
				topic, number, ok := splitPartitionName(partition)
				if !ok {
					t.Fatalf("no partition: %s", partition)
				}

				// Names that are equal need not be one string.
				records[i] = eventjson.KafkaRecord{Topic: strings.Clone(topic), Partition: number, Offset: int64(100 + i)}
			}
			document := appendKafka(t, msk(), records...)
			checkOrder(t, document, partitions)
			var got events.KafkaEvent
			if err := json.Unmarshal(document, &got); err != nil {
				t.Fatal(err)
			}
			if want := kafkaEvent(records); !reflect.DeepEqual(got, want) {
				t.Errorf("event\n got %+v\nwant %+v", got, want)
			}
			for key, list := range got.Records {
				topic, number, ok := splitPartitionName(key)
				if !ok || list[0].Topic != topic || list[0].Partition != int64(number) {
					t.Errorf("%s: topic %s, partition %d, %t, want those of %+v", key, topic, number, ok, list[0])
				}
			}
		})
	}
}

// checkOrder checks that the members of a document are in the order in which
// the partitions of its records come up.
func checkOrder(t *testing.T, document []byte, partitions []string) {
	t.Helper()
	last := 0
	seen := map[string]bool{}
	for _, partition := range partitions {
		if seen[partition] {
			continue
		}
		seen[partition] = true
		at := bytes.Index(document, []byte(`"`+partition+`":[{"topic"`))
		if at < last || bytes.Count(document, []byte(`"`+partition+`":`)) != 1 {
			t.Errorf("%s is not once and in order in %s", partition, document)
		}
		last = at
	}
}

// TestKafkaManyPartitions has batches of the most records, of many partitions
// and of one, by turns and in runs, on several goroutines at once.
func TestKafkaManyPartitions_KAF180(t *testing.T) {
	t.Parallel()
	const most = 10_000
	k := msk()
	var group sync.WaitGroup
	defer group.Wait()
	for _, test := range []struct{ partitions, run int }{{1000, 1}, {1000, 7}, {1, 1}, {most, 1}, {3, 2000}} {
		group.Go(func() {
			records := make([]eventjson.KafkaRecord, most)
			for i := range records {
				records[i] = eventjson.KafkaRecord{
					Topic: "orders", Partition: int32(i / test.run % test.partitions), Offset: int64(i),
				}
			}
			var got events.KafkaEvent
			if err := json.Unmarshal(appendKafka(t, k, records...), &got); err != nil {
				t.Error(err)
				return
			}
			if want := kafkaEvent(records); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: records are missing or in another order", test)
			}
		})
	}
}

// Kafka timestamp (KAF-84, KAF-85).
func TestKafkaTimestamp(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind eventjson.KafkaTimestampType
		ms   int64
		want string
	}{
		{eventjson.KafkaCreateTime, 0, `0,"timestampType":"CREATE_TIME"`},
		{eventjson.KafkaCreateTime, -1, `-1,"timestampType":"CREATE_TIME"`},
		{eventjson.KafkaCreateTime, math.MinInt64, `-9223372036854775808,"timestampType":"CREATE_TIME"`},
		{eventjson.KafkaCreateTime, math.MaxInt64, `9223372036854775807,"timestampType":"CREATE_TIME"`},
		{eventjson.KafkaLogAppendTime, 1767225601200, `1767225601200,"timestampType":"LOG_APPEND_TIME"`},
		{eventjson.KafkaNoTimestamp, -62135596800000, `-1,"timestampType":"NO_TIMESTAMP_TYPE"`},
		{2, 5, `-1,"timestampType":"NO_TIMESTAMP_TYPE"`},
	} {
		got := appendKafka(t, msk(), eventjson.KafkaRecord{Topic: "a", Timestamp: test.ms, TimestampType: test.kind})
		if !json.Valid(got) || !bytes.Contains(got, []byte(`,"timestamp":`+test.want+`,"headers"`)) {
			t.Errorf("document = %s, want in it %s", got, test.want)
		}
	}
	if eventjson.KafkaNoTimestamp != -1 || eventjson.KafkaCreateTime != 0 || eventjson.KafkaLogAppendTime != 1 {
		t.Error("the types of timestamps have not the numbers of the protocol")
	}
}

// TestKafkaNumbers goes along the lengths of numbers (KAF-84, KAF-182).
func TestKafkaNumbers(t *testing.T) {
	t.Parallel()
	numbers := []int64{0, math.MaxInt64, math.MinInt64}
	for power := int64(1); power <= math.MaxInt64/10; power *= 10 {
		numbers = append(numbers, power-1, power, power+1, -power+1, -power, -power-1)
	}
	for _, n := range append(numbers, 1e18-1, 1e18, 1e18+1) {
		partition := int32(n % math.MaxInt32)
		got := appendKafka(t, msk(), eventjson.KafkaRecord{Topic: "a", Partition: partition, Offset: n, Timestamp: n})
		if want := fmt.Sprintf(`"a-%d":[{"topic":"a","partition":%[1]d,"offset":%d,"timestamp":%[2]d,`, partition, n); !bytes.Contains(got, []byte(want)) {
			t.Errorf("document = %s, want in it %s", got, want)
		}
	}
}

// Kafka key and value (KAF-87, KAF-88).
func TestKafkaKeyAndValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key, value []byte
		want       string
	}{
		{nil, nil, ``},
		{[]byte{}, nil, `"key":"",`},
		{nil, []byte{}, `"value":"",`},
		{[]byte{}, []byte{}, `"key":"","value":"",`},
		{[]byte("k"), nil, `"key":"aw==",`},
		{[]byte{0xfb, 0xff}, []byte("null"), `"key":"+/8=","value":"bnVsbA==",`},
	} {
		got := appendKafka(t, msk(), eventjson.KafkaRecord{Topic: "a", Key: test.key, Value: test.value})
		if !bytes.Contains(got, []byte(`"CREATE_TIME",`+test.want+`"headers"`)) {
			t.Errorf("document = %s, want in it %s", got, test.want)
		}
	}
}

// Kafka headers (KAF-89, KAF-90, KAF-91, KAF-181).
func TestKafkaHeaders(t *testing.T) {
	t.Parallel()
	every, numbers := make([]byte, 256), make([]string, 256)
	for i := range every {
		every[i], numbers[i] = byte(i), strconv.Itoa(i)
		if i > 127 {
			numbers[i] = strconv.Itoa(i - 256)
		}
	}
	type header = eventjson.KafkaHeader
	for name, test := range map[string]struct {
		headers []header
		want    string
	}{
		"nil":      {nil, `[]`},
		"none":     {[]header{}, `[]`},
		"null":     {[]header{{Key: "a"}}, `[{"a":[]}]`},
		"empty":    {[]header{{Key: "a", Value: []byte{}}}, `[{"a":[]}]`},
		"one byte": {[]header{{Key: "a", Value: []byte{128}}}, `[{"a":[-128]}]`},
		"repeated": {[]header{{"b", []byte("1")}, {"a", []byte("2")}, {"b", nil}, {"b", []byte("1")}}, `[{"b":[49]},{"a":[50]},{"b":[]},{"b":[49]}]`},
		"names":    {[]header{{Key: ""}, {Key: "\"\\\x01é"}, {Key: "\xff"}}, `[{"":[]},{"\"\\\u0001é":[]},{"\ufffd":[]}]`},
		"every":    {[]header{{"a", every}}, `[{"a":[` + strings.Join(numbers, ",") + `]}]`},
		"zeros":    {[]header{{"a", make([]byte, 100)}}, `[{"a":[0` + strings.Repeat(",0", 99) + `]}]`},
		"big": {
			[]header{{"a", bytes.Repeat([]byte{0}, 1<<16)}, {"b", bytes.Repeat([]byte{156}, 1<<18)}},
			`[{"a":[0` + strings.Repeat(",0", 1<<16-1) + `]},{"b":[-100` + strings.Repeat(",-100", 1<<18-1) + `]}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := appendKafka(t, msk(), eventjson.KafkaRecord{Topic: "a", Value: []byte("v"), Headers: test.headers})
			if want := `,"value":"dg==","headers":` + test.want + `}]}}`; !bytes.HasSuffix(got, []byte(want)) {
				t.Errorf("document of %d bytes = %.999s, want at its end %.999s", len(got), got, want)
			}
		})
	}
}

// TestKafkaHeadersOfClient takes headers of another type.
func TestKafkaHeadersOfClient_KAF89(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]consumedHeader{nil, {}, {{"a", []byte("1")}}, {{"a", nil}, {"", []byte{}}, {"c", []byte("3")}}} {
		got := eventjson.KafkaHeaders(headers)
		if len(got) != len(headers) {
			t.Fatalf("%d headers, want %d", len(got), len(headers))
		}
		for i := range headers {
			if want := eventjson.KafkaHeader(headers[i]); !reflect.DeepEqual(got[i], want) {
				t.Errorf("header %d = %+v, want %+v", i, got[i], want)
			}
		}
	}
}

// TestKafkaRoom writes documents into less room than they need, exactly as much
// and more.
func TestKafkaRoom(t *testing.T) {
	t.Parallel()
	const mark = "#####"
	records := append(orders(), orders()...)
	want := appendKafka(t, msk(), records...)
	for room := range len(want) + 100 {
		array := []byte(strings.Repeat("#", room+len(mark)))
		got := eventjson.AppendKafka(msk(), array[:0:room], records, same)
		if !bytes.Equal(got, want) {
			t.Fatalf("room for %d bytes\n got %s\nwant %s", room, got, want)
		}
		if rest := string(array[room:]); rest != mark {
			t.Fatalf("room for %d bytes: wrote behind it: %s", room, rest)
		}
		if room >= len(want) && &got[0] != &array[0] {
			t.Fatalf("room for %d bytes, not used for %d", room, len(want))
		}
	}
}

// TestKafkaKeepsNothing looks whether records are let go when their document is
// written, although what it took to write it is kept for the next one.
func TestKafkaKeepsNothing(t *testing.T) { //nolint:paralleltest // others would take what is kept
	kept := appendWeakly()
	runtime.GC() // a second one would free what is kept
	for name, pointer := range kept {
		if pointer.Value() != nil {
			t.Errorf("%s is kept", name)
		}
	}
}

// appendWeakly writes a document and returns what its records had.
func appendWeakly() map[string]weak.Pointer[byte] {
	had := map[string]weak.Pointer[byte]{}
	records := make([]eventjson.KafkaRecord, 3)
	for i := range records {
		r := &records[i]
		r.Topic, r.Partition = strings.Repeat("topic", 100), int32(i%2)
		r.Key, r.Value, r.Headers = make([]byte, 100), make([]byte, 100), []eventjson.KafkaHeader{{Value: make([]byte, 100)}}
		had[fmt.Sprint("topic of ", i)] = weak.Make(unsafe.StringData(r.Topic))
		had[fmt.Sprint("key of ", i)] = weak.Make(&r.Key[0])
		had[fmt.Sprint("value of ", i)] = weak.Make(&r.Value[0])
		had[fmt.Sprint("header of ", i)] = weak.Make(&r.Headers[0].Value[0])
	}
	eventjson.AppendKafka(msk(), nil, records, same)
	return had
}

// TestKafkaNoAllocation gives documents exactly the room that they are said to
// need.
func TestKafkaNoAllocation(t *testing.T) { //nolint:paralleltest // AllocsPerRun does not allow it
	k := msk()
	one := consume(20, 256, 1, consumedHeader{"traceparent", []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")})
	mixed := append(consume(20, 256, 7), one...)
	room := make([]byte, 0, len(eventjson.AppendKafka(k, nil, mixed, viewConsumed)))
	for name, run := range map[string]func(){
		"one partition": func() { _ = eventjson.AppendKafka(k, room, one, viewConsumed) },
		"mixed":         func() { _ = eventjson.AppendKafka(k, room, mixed, viewConsumed) },
		"size": func() {
			var r eventjson.KafkaRecord
			viewConsumed(&one[0], &r)
			_ = r.Size()
		},
		"overhead": func() { _ = k.Overhead() + eventjson.KafkaPartitionOverhead("orders", 3) },
	} {
		// The least of several: a collection, and the race detector at random,
		// takes away what is kept for the next document.
		least := math.MaxFloat64
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, run))
		}
		if least != 0 {
			t.Errorf("%s: %v allocations", name, least)
		}
	}
}
