package kpl_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/kinesis/internal/kpl"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// unpack is what is in data, as key=data; nil if it is not aggregated.
func unpack(tb testing.TB, data []byte) []string {
	tb.Helper()
	a, ok := kpl.Open(data)
	if !ok {
		if _, more := a.Next(); more || a.Len() != 0 {
			tb.Fatal("what is no aggregate has records")
		}
		return nil
	}
	list := []string{}
	for n := a.Len(); ; n-- {
		if a.Len() != n {
			tb.Fatalf("Len is %d, want %d", a.Len(), n)
		}
		r, ok := a.Next()
		if !ok {
			if n != 0 {
				tb.Fatalf("%d records are missing", n)
			}
			return list
		}
		list = append(list, *r.Key+"="+string(r.Data))
	}
}

// around makes an aggregated record of any message.
func around(message string) []byte {
	sum := md5.Sum([]byte(message))
	return slices.Concat([]byte("\xf3\x89\x9a\xc2"), []byte(message), sum[:])
}

// What the implementations of AWS write; the second has a hash key.
func TestReference_KIN210(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"84mawgoEcGstMAoEcGstMQoEcGstMhoTCAAaD3sibXNnIjoibGluZTAifRoTCAEaD3sibXNnIjoibGluZTEifRoTCAIaD3sibXNnIjoibGluZTIifZ8hyadI+v2KZPZrUGim6cQ=": {
			`pk-0={"msg":"line0"}`, `pk-1={"msg":"line1"}`, `pk-2={"msg":"line2"}`,
		},
		"84mawgoFa2V5LTAaJQgAGiFUZXN0aW5nIEtQTCBBZ2dyZWdhdGVkIFJlY29yZCAxLTBlW2Hfd6iL1WkMbznr8jc2": {
			"key-0=Testing KPL Aggregated Record 1-0",
		},
	} {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := unpack(t, data); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	data := kinesistest.Aggregate(
		kinesistest.Record{Key: "a", HashKey: "7", Data: []byte("1")}, kinesistest.Record{Key: "b", Data: []byte{}},
		kinesistest.Record{Key: "a", HashKey: "8", Data: []byte("2")},
	)
	if got, want := string(data[4:len(data)-md5.Size]),
		"\x0a\x01a\x0a\x01b\x12\x017\x12\x018"+"\x1a\x07\x08\x00\x10\x00\x1a\x011"+"\x1a\x04\x08\x01\x1a\x00"+"\x1a\x07\x08\x00\x10\x01\x1a\x012"; got != want {
		t.Errorf("the test's aggregator writes %q, want %q", got, want)
	}
	if got, want := unpack(t, data), []string{"a=1", "b=", "a=2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	const key, record = "\x0a\x01k", "\x1a\x05\x08\x00\x1a\x01d"
	for name, test := range map[string]struct {
		message string
		want    []string
	}{
		"plain":                 {key + record, []string{"k=d"}},
		"record before its key": {record + key, []string{"k=d"}},
		"fields between":        {record + key + record + "\x0a\x00", []string{"k=d", "k=d"}},
		"unknown fields":        {"\x20\x07\x29abcdefgh" + key + "\x32\x02xx" + record + "\x3dabcd", []string{"k=d"}},
		"unknown in the record": {key + "\x1a\x0c\x28\x01\x08\x00\x1a\x01d\x3dabcd", []string{"k=d"}},
		"a tag":                 {key + "\x1a\x0d\x08\x00\x1a\x01d\x22\x06\x0a\x01a\x12\x01b", []string{"k=d"}},
		"a tag without a value": {key + "\x1a\x0a\x08\x00\x1a\x01d\x22\x03\x0a\x01a", []string{"k=d"}},
		"the last field counts": {"\x0a\x00" + key + "\x1a\x0a\x08\x00\x1a\x01c\x08\x01\x1a\x01d", []string{"k=d"}},
		"no UTF-8":              {"\x0a\x01\xff" + record, []string{"\xff=d"}},
		"long numbers":          {key + "\x1a\x07\x08\x80\x80\x00\x1a\x01d", []string{"k=d"}},
		"a hash key":            {key + "\x12\x017\x1a\x07\x08\x00\x10\x00\x1a\x01d", []string{"k=d"}},

		"nothing":                       {"", nil},
		"no records":                    {key, nil},
		"no keys":                       {record, nil},
		"key out of range":              {key + "\x1a\x05\x08\x01\x1a\x01d", nil},
		"key far out of range":          {key + "\x1a\x0e\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x01d", nil},
		"key beyond 64 bits":            {key + "\x1a\x0f\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x01d", nil},
		"one of many out of range":      {key + record + "\x1a\x05\x08\x01\x1a\x01d" + record, nil},
		"hash key out of range":         {key + "\x12\x017\x1a\x07\x08\x00\x10\x01\x1a\x01d", nil},
		"hash key far out of range":     {key + "\x1a\x10\x08\x00\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x01d", nil},
		"no hash keys":                  {key + "\x1a\x07\x08\x00\x10\x00\x1a\x01d", nil},
		"no key in the record":          {key + "\x1a\x03\x1a\x01d", nil},
		"no data in the record":         {key + "\x1a\x02\x08\x00", nil},
		"an empty record":               {key + "\x1a\x00", nil},
		"key is a number":               {"\x08\x01" + record, nil},
		"hash key is a number":          {key + "\x10\x01" + record, nil},
		"record is a number":            {key + record + "\x18\x01", nil},
		"key's index is a text":         {key + "\x1a\x06\x0a\x01\x00\x1a\x01d", nil},
		"hash key's index is a text":    {key + "\x12\x00\x1a\x08\x08\x00\x12\x01\x00\x1a\x01d", nil},
		"data is a number":              {key + "\x1a\x04\x08\x00\x18\x01", nil},
		"a tag is a number":             {key + "\x1a\x07\x08\x00\x1a\x01d\x20\x01", nil},
		"a tag without a key":           {key + "\x1a\x0a\x08\x00\x1a\x01d\x22\x03\x12\x01a", nil},
		"a tag's key is a number":       {key + "\x1a\x09\x08\x00\x1a\x01d\x22\x02\x08\x01", nil},
		"a tag cut off":                 {key + "\x1a\x0a\x08\x00\x1a\x01d\x22\x03\x0a\x02a", nil},
		"record cut off":                {key + "\x1a\x06\x08\x00\x1a\x01d", nil},
		"data cut off":                  {key + "\x1a\x05\x08\x00\x1a\x02d", nil},
		"length beyond 64 bits":         {key + record + "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", nil},
		"length of 64 bits":             {key + record + "\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", nil},
		"half a tag":                    {key + record + "\x80", nil},
		"half a number":                 {key + record + "\x20\x80", nil},
		"half of 32 bits":               {key + record + "\x3dabc", nil},
		"half of 64 bits":               {key + record + "\x39abcdefg", nil},
		"field 0":                       {key + record + "\x00\x01", nil},
		"field beyond 29 bits":          {key + record + "\x80\x80\x80\x80\x10\x01", nil},
		"group":                         {key + record + "\x23\x24", nil},
		"wire type 7":                   {key + record + "\x27", nil},
		"aggregate within an aggregate": {string(around(key + record)), nil},
	} {
		if got := unpack(t, around(test.message)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Records inside are not taken apart themselves, as KCL does not either.
func TestOneLevel(t *testing.T) {
	t.Parallel()
	inner := kinesistest.Aggregate(kinesistest.Record{Key: "i", Data: []byte("d")})
	outer := kinesistest.Aggregate(kinesistest.Record{Key: "o", Data: inner})
	if got := unpack(t, outer); !slices.Equal(got, []string{"o=" + string(inner)}) {
		t.Errorf("got %q", got)
	}
}

// A record that is cut off anywhere, or has one bit that flipped, is no aggregate.
func TestDamage(t *testing.T) {
	t.Parallel()
	data := kinesistest.Aggregate(kinesistest.Record{Key: "a", Data: []byte("1")}, kinesistest.Record{Key: "b", Data: []byte("2")})
	for i := range data {
		if got := unpack(t, data[:i]); got != nil {
			t.Errorf("cut at %d: got %q", i, got)
		}
		bent := slices.Clone(data)
		bent[i] ^= 1 << (i % 8)
		if got := unpack(t, bent); got != nil {
			t.Errorf("flipped at %d: got %q", i, got)
		}
	}
	for _, more := range []string{"\x00", string(data)} {
		if got := unpack(t, append(slices.Clone(data), more...)); got != nil {
			t.Errorf("with %q behind it: got %q", more, got)
		}
	}
}

// Data are pieces of what was opened, which appending to them leaves alone.
func TestNoCopy(t *testing.T) {
	t.Parallel()
	data := kinesistest.Aggregate(kinesistest.Record{Key: "a", Data: []byte("12")}, kinesistest.Record{Key: "a", Data: []byte("3")})
	before := slices.Clone(data)
	a, _ := kpl.Open(data)
	first, _ := a.Next()
	second, _ := a.Next()
	if at := bytes.Index(data, []byte("12")); &data[at] != &first.Data[0] {
		t.Error("the data was copied")
	}
	if first.Key != second.Key {
		t.Error("a key of two records takes room twice")
	}
	_ = append(first.Data, "xxx"...)
	if !bytes.Equal(data, before) {
		t.Error("appending to a record wrote into the next")
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What an aggregate takes is bounded, whatever is in it. Allocations are counted for
// the whole process.
//
//nolint:paralleltest // see above
func TestMemory_P7(t *testing.T) {
	const (
		size = 1 << 20
		maxCost = 9 // times as much
	)
	key, record := "\x0a\x01k", "\x1a\x04\x08\x00\x1a\x00"
	for name, message := range map[string]string{
		"empty records":     key + strings.Repeat(record, size/len(record)),
		"empty keys":        strings.Repeat("\x0a\x00", size/2) + record,
		"short keys":        strings.Repeat("\x0a\x02kk", size/4) + record,
		"empty hash keys":   key + strings.Repeat("\x12\x00", size/2) + record,
		"unknown fields":    key + record + strings.Repeat("\x20\x00", size/2),
		"no record after":   strings.Repeat("\x0a\x00", size/2),
		"the last is wrong": strings.Repeat(key, size/4) + "\x1a\x00",
		"one large":         key + "\x1a\x86\x80\x40\x08\x00\x1a\x80\x80\x40" + strings.Repeat("d", size),
	} {
		data := around(message)
		count := 0
		got := allocated(func() {
			a, _ := kpl.Open(data)
			for _, ok := a.Next(); ok; _, ok = a.Next() {
				count++
			}
		})
		if got > maxCost*size {
			t.Errorf("%s: %d bytes allocated for %d, which have %d records", name, got, len(data), count)
		}
	}
}

// FuzzRoundTrip: what was aggregated comes out again, whatever else came with it.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a=1,b=2,a=3")
	f.Add("=,=")
	f.Add("k/7=d,k/8=")
	f.Fuzz(func(t *testing.T, script string) {
		var (
			records []kinesistest.Record
			want    []string
		)
		for part := range strings.SplitSeq(script, ",") {
			name, data, _ := strings.Cut(part, "=")
			key, hash, _ := strings.Cut(name, "/")
			records = append(records, kinesistest.Record{Key: key, HashKey: hash, Data: []byte(data)})
			want = append(want, fmt.Sprintf("%s=%s", key, data))
		}
		if got := unpack(t, kinesistest.Aggregate(records...)); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// FuzzOpen: nothing panics, neither random bytes nor messages whose sum is right;
// what is taken for an aggregate has records, all of whose data is in it.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x0a\x01k\x1a\x05\x08\x00\x1a\x01d"), 3, byte(1))
	f.Add([]byte("\x0a\x01k\x12\x017\x1a\x0f\x08\x00\x10\x00\x1a\x01d\x22\x06\x0a\x01a\x12\x01b\x3dabcd"), 9, byte(128))
	f.Add([]byte("\xf3\x89\x9a\xc2"), 0, byte(0))
	f.Fuzz(func(t *testing.T, message []byte, at int, flip byte) {
		unpack(t, message)
		if len(message) > 0 {
			message[max(at, 0)%len(message)] ^= flip
		}
		data := around(string(message))
		got := unpack(t, data)
		if got != nil && len(got) == 0 {
			t.Fatal("an aggregate without records")
		}
		for _, r := range got {
			_, value, _ := strings.Cut(r, "=")
			if !strings.Contains(string(data), value) {
				t.Fatalf("%q is not in the message", value)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	records := make([]kinesistest.Record, 1000)
	for i := range records {
		records[i] = kinesistest.Record{Key: fmt.Sprint("key-", i%50), Data: make([]byte, 500)}
	}
	data := kinesistest.Aggregate(records...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		a, _ := kpl.Open(data)
		for a.Len() > 0 {
			a.Next()
		}
	}
}
