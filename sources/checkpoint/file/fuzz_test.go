package file

import (
	"bytes"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// FuzzParse: whatever the bytes, parse ends without a panic, and what it gives
// is written and read again as the same.
func FuzzParse(f *testing.F) {
	l := lease("a", 1)
	l.Position.Timestamp = time.Unix(1, 2)
	l.Window = []byte("w")
	f.Add(appendPut(nil, &l))
	f.Add(appendPut(nil, &checkpoint.Lease{Shard: "b"}))
	f.Add(appendDelete(nil, "c"))
	f.Add([]byte{putEntry, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		kind, got, err := parse(payload)
		if err != nil {
			return
		}
		if kind == deleteEntry {
			if !bytes.Contains(payload, []byte(got.Shard)) || got.Shard == "" {
				t.Errorf("the shard %q is not in %q", got.Shard, payload)
			}
			return
		}
		_, again, err := parse(appendPut(nil, &got))
		if err != nil || !again.Equal(got) {
			t.Errorf("%+v came back as %+v, %v", got, again, err)
		}
	})
}

// FuzzScan: whatever stands behind the first line, scan ends without a panic,
// and keeps whole entries only, one behind the other.
func FuzzScan(f *testing.F) {
	seeded := format{seed: 7}
	var log []byte
	for n := range 3 {
		l := lease("a", n)
		entry := appendPut(openEntry(nil), &l)
		if err := seeded.closeEntry(entry); err != nil {
			f.Fatal(err)
		}
		log = append(log, entry...)
	}
	f.Add(log)
	f.Add(log[:len(log)-1])
	f.Add(append(log[1:], log...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, tail []byte) {
		var again []byte
		data := append(seeded.line(), tail...)
		end, err := seeded.scan("path", data, func(payload []byte) error {
			entry := append(openEntry(nil), payload...)
			if err := seeded.closeEntry(entry); err != nil {
				return err
			}
			again = append(again, entry...)
			return nil
		})
		if end < lineSize || end > len(data) || !bytes.Equal(data[lineSize:end], again) {
			t.Errorf("scan ends at %d of %d with %v, but kept %q", end, len(data), err, again)
		}
	})
}

// FuzzOpenLine: no first line makes parseLine panic, and only one that this
// version writes is accepted.
func FuzzOpenLine(f *testing.F) {
	f.Add(format{seed: 1}.line())
	f.Add([]byte("openesm checkpoint 1 "))
	f.Add([]byte("openesm checkpoint 2 zzzzzzzzzzzzzzzzzz\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, begun, err := parseLine("path", data)
		if err == nil && begun && !bytes.HasPrefix(data, got.line()) {
			t.Errorf("%q is accepted as %q", data, got.line())
		}
	})
}
