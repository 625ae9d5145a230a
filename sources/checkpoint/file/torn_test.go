package file

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// history is a file with a few writes, and the leases after each: what[i] is
// what a file is to hold that is cut between ends[i] and ends[i+1].
func history(t *testing.T) (data []byte, ends []int, what []map[string]int64) {
	t.Helper()
	path := newPath(t)
	s := mustOpen(t, path, Options{})
	note := func() {
		ends = append(ends, int(s.log.end))
		what = append(what, versions(t, s))
	}
	note()
	for n := range 3 {
		mustPut(t, s, "a", n)
		note()
		mustPut(t, s, "b", n)
		note()
	}
	if err := s.Delete(t.Context(), lease("a", 2)); err != nil {
		t.Fatal(err)
	}
	note()
	mustPut(t, s, "c", 0)
	note()
	mustClose(t, s)
	return mustRead(t, path), ends, what
}

// at is what a file is to hold that is whole up to offset.
func at(offset int, ends []int, what []map[string]int64) map[string]int64 {
	i, whole := slices.BinarySearch(ends, offset)
	if !whole {
		i--
	}
	return what[max(i, 0)]
}

// A file that was cut anywhere opens with what was written before the cut, and
// may be written to.
func TestTornAnywhere(t *testing.T) {
	t.Parallel()
	data, ends, what := history(t)
	path := newPath(t)
	for offset := range len(data) + 1 {
		mustWrite(t, path, data[:offset])
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", offset, err)
		}
		want := at(offset, ends, what)
		if got := versions(t, s); !maps.Equal(got, want) {
			t.Fatalf("cut at %d: the file holds %v, want %v", offset, got, want)
		}
		mustPut(t, s, "new", 0)
		mustClose(t, s)
		s, err = Open(path, Options{})
		if err != nil {
			t.Fatalf("cut at %d, written to and opened again: %v", offset, err)
		}
		want = maps.Clone(want)
		want["new"] = 0
		if got := versions(t, s); !maps.Equal(got, want) {
			t.Fatalf("cut at %d and written to: the file holds %v, want %v", offset, got, want)
		}
		mustClose(t, s)
	}
}

// After a loss of power the end of the file may be there, but not what was
// written to it.
func TestTornEndOfZerosOrRubbish(t *testing.T) {
	t.Parallel()
	data, ends, what := history(t)
	path := newPath(t)
	last := ends[len(ends)-2]
	for name, tail := range map[string][]byte{
		"zeros":           make([]byte, 5000),
		"rubbish":         []byte(strings.Repeat("rubbish", 700)),
		"half and zeros":  append(slices.Clone(data[last:last+30]), make([]byte, 4096)...),
		"head of zeros":   append(make([]byte, headSize), data[last+headSize:]...),
		"another's entry": foreignEntry(t),
	} {
		mustWrite(t, path, append(slices.Clone(data[:last]), tail...))
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := versions(t, s); !maps.Equal(got, what[len(what)-2]) {
			t.Errorf("%s: the file holds %v, want %v", name, got, what[len(what)-2])
		}
		mustClose(t, s)
		if got := len(mustRead(t, path)); got != last {
			t.Errorf("%s: the file has %d bytes, want its torn end cut off at %d", name, got, last)
		}
	}
}

// foreignEntry is a whole entry of another file.
func foreignEntry(t *testing.T) []byte {
	t.Helper()
	f := newFormat()
	l := lease("foreign", 0)
	entry := appendPut(openEntry(nil), &l)
	if err := f.closeEntry(entry); err != nil {
		t.Fatal(err)
	}
	return entry
}

// A bit that flipped is an error that names the damaged entry's offset, or, in
// the last entry, the loss of that one. The file is left alone.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	data, ends, what := history(t)
	path := newPath(t)
	for offset := range data {
		bent := slices.Clone(data)
		bent[offset] ^= 1 << (offset % 8)
		mustWrite(t, path, bent)
		s, err := Open(path, Options{})
		if offset >= ends[len(ends)-2] {
			if err != nil {
				t.Fatalf("flip at %d, in the last entry: %v", offset, err)
			}
			if got := versions(t, s); !maps.Equal(got, what[len(what)-2]) {
				t.Fatalf("flip at %d, in the last entry: the file holds %v, want %v", offset, got, what[len(what)-2])
			}
			mustClose(t, s)
			continue
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("flip at %d: Open gives %v, want ErrDamaged", offset, err)
		}
		start := 0
		if i, whole := slices.BinarySearch(ends, offset); whole {
			start = ends[i]
		} else if i > 0 {
			start = ends[i-1]
		}
		if !strings.Contains(err.Error(), "offset "+strconv.Itoa(start)+":") {
			t.Fatalf("flip at %d: %q does not name the offset %d", offset, err, start)
		}
		if !slices.Equal(mustRead(t, path), bent) {
			t.Fatalf("flip at %d: the file was changed", offset)
		}
	}
}

// Cutting at the offset that the error names is the way out.
func TestCutAtDamage(t *testing.T) {
	t.Parallel()
	data, ends, what := history(t)
	path := newPath(t)
	data[ends[3]+headSize+2] ^= 1
	mustWrite(t, path, data)
	if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Open gives %v, want ErrDamaged", err)
	}
	if err := os.Truncate(path, int64(ends[3])); err != nil {
		t.Fatal(err)
	}
	if got := versions(t, mustOpen(t, path, Options{})); !maps.Equal(got, what[3]) {
		t.Errorf("the file holds %v, want %v", got, what[3])
	}
}
