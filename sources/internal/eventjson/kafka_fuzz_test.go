package eventjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// kafkaRecord is a record of one of a few partitions.
func (f *feed) kafkaRecord() eventjson.KafkaRecord {
	topics := []string{"orders", "a", "a-1", "a.b-c_d"}
	r := eventjson.KafkaRecord{
		Topic: topics[f.number()%len(topics)], Partition: int32(f.number() % 12),
		TimestampType: eventjson.KafkaTimestampType(f.number()%4 - 1), Timestamp: f.time().UnixMilli(),
		Key: f.blob(), Value: f.blob(),
	}
	for range 8 {
		r.Offset = r.Offset<<8 | int64(f.number())
	}
	for range f.number() % 4 {
		r.Headers = append(r.Headers, eventjson.KafkaHeader{Key: f.text(), Value: f.blob()})
	}
	return r
}

// blob is nil, empty or neither.
func (f *feed) blob() []byte {
	if f.number()%4 == 0 {
		return nil
	}
	return []byte(f.text())
}

// FuzzKafkaDocument holds documents against what encoding/json makes of the
// same in the events package, whatever room they are given.
func FuzzKafkaDocument(f *testing.F) {
	f.Add([]byte{2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 'k', 0}, uint16(0))
	f.Add(bytes.Repeat([]byte{1, 'a', 0x80, 255}, 100), uint16(1000))
	f.Add([]byte{}, uint16(300))
	for seed := range byte(32) {
		f.Add(noise(seed, 1500), uint16(seed)*200)
	}
	f.Fuzz(func(t *testing.T, data []byte, room uint16) {
		const mark = "#####"
		in := feed{data}
		rows := make([]eventjson.KafkaRecord, in.number()%24)
		for i := range rows {
			rows[i] = in.kafkaRecord()
		}
		array := bytes.Repeat([]byte("#"), int(room)+len(mark))
		got := eventjson.AppendKafka(msk(), array[:0:room], rows, same)
		if rest := string(array[room:]); rest != mark {
			t.Errorf("wrote behind its room: %q", rest)
		}
		if size := kafkaSize(msk(), rows); size != len(got) {
			t.Errorf("size %d, want %d of %s", size, len(got), got)
		}
		std, err := json.Marshal(kafkaEvent(rows))
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := decodeNumbers(t, got), decodeNumbers(t, std)
		addEmpty(t, theirs, rows)
		if !reflect.DeepEqual(mine, theirs) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

// addEmpty adds what the events package leaves out of a document: keys and
// values that are empty and not nil.
func addEmpty(t *testing.T, document map[string]any, rows []eventjson.KafkaRecord) {
	t.Helper()
	at := map[string]int{}
	for _, r := range rows {
		name := partitionName(r.Topic, r.Partition)
		list := nested(t, document, "records")[name].([]any)
		record := list[at[name]].(map[string]any)
		at[name]++
		if r.Key != nil && len(r.Key) == 0 {
			record["key"] = ""
		}
		if r.Value != nil && len(r.Value) == 0 {
			record["value"] = ""
		}
	}
}

// decodeNumbers decodes a document with all digits of its numbers.
func decodeNumbers(t *testing.T, document []byte) map[string]any {
	t.Helper()
	object, err := decodeObject(document)
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return object
}

// decodeObject decodes one object and nothing behind it.
func decodeObject(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more")
	}
	return object, nil
}

// FuzzParseKafkaItem holds the parser against a general decoding.
func FuzzParseKafkaItem(f *testing.F) {
	for _, text := range []string{
		`{"partition":"orders-0","offset":100}`, ` {"offset":7,"x":[{}],"partition":"a-\u00e9\ud800"}`, `{"partition":"a","offset":"1"}`,
		`{"partition":"a","offset":1,"offset":-2}`, `{"partition":null,"partition":"b","offset":1e2}`, `{"partition":"a","offset":1.0}`,
		`{"partition":"a","Offset":1}`, `{"partition":"","offset":0}`, `{"partition":"a","offset":9223372036854775808}`,
		`{"partition":"a","offset":1}{}`, `{"partition":"a"}`, `null`, `[]`, `"a"`, ``, `{"partition":"` + "\xff" + `","offset":-0}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		partition, offset, ok := eventjson.ParseKafkaItem(text)
		if !ok && (partition != "" || offset != 0) {
			t.Errorf("%q: refused, but %q and %d", text, partition, offset)
		}
		var (
			wantPartition string
			wantOffset    int64
		)
		object, err := decodeObject(text)
		if err == nil {
			wantPartition, _ = object["partition"].(string)
			number, _ := object["offset"].(json.Number)
			wantOffset, err = strconv.ParseInt(number.String(), 10, 64)
		}
		want := err == nil && wantPartition != "" && wantOffset >= 0
		if ok != want || ok && (partition != wantPartition || offset != wantOffset) {
			t.Errorf("%q: %q, %d, %t, want %q, %d, %t", text, partition, offset, ok, wantPartition, wantOffset, want)
		}
	})
}

// FuzzKafkaPartitionName takes names apart and puts them together again.
func FuzzKafkaPartitionName(f *testing.F) {
	f.Add("orders", int32(0))
	f.Add("a-1", int32(2147483647))
	f.Add("orders-00", int32(-1))
	f.Add("-", int32(7))
	f.Add("", int32(1))
	f.Fuzz(func(t *testing.T, text string, number int32) {
		topic, back, ok := splitPartitionName(partitionName(text, number))
		if text != "" && number >= 0 && (topic != text || back != number || !ok) {
			t.Errorf("%q, %d comes back as %q, %d, %t", text, number, topic, back, ok)
		}
		topic, back, ok = splitPartitionName(text)
		if name := partitionName(topic, back); ok && name != text {
			t.Errorf("%q comes back as %q", text, name)
		}
	})
}
