package file

import (
	"fmt"
	"testing"
)

// BenchmarkOpen opens a file of 10,000 leases, each written three times.
func BenchmarkOpen(b *testing.B) {
	path := newPath(b)
	s := mustOpen(b, path, Options{})
	for i := range 10_000 {
		for n := range 3 {
			mustPut(b, s, fmt.Sprintf("shardId-%012d", i), n)
		}
	}
	mustClose(b, s)
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		mustClose(b, s)
	}
}

// BenchmarkUpdate is one update of a lease among 10,000, new files included.
func BenchmarkUpdate(b *testing.B) {
	s := mustOpen(b, newPath(b), Options{})
	for i := range 10_000 {
		mustPut(b, s, fmt.Sprintf("shardId-%012d", i), 0)
	}
	last := lease("shardId-000000000042", 0)
	next := last
	b.ReportAllocs()
	for b.Loop() {
		next.Counter = last.Counter + 1
		if err := s.Update(b.Context(), last, next); err != nil {
			b.Fatal(err)
		}
		last = next
	}
}
