package file

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
)

// mustOpen opens the store and closes it when the test ends.
func mustOpen(tb testing.TB, path string) *Store {
	tb.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { mustClose(tb, s) })
	return s
}

func mustClose(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Errorf("Close: %v", err)
	}
}

func newPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "positions")
}

// lease is the nth version of a shard's lease.
func lease(shard string, n int) checkpoint.Lease {
	return checkpoint.Lease{
		Shard: shard, Owner: "worker", Counter: int64(n),
		Position: checkpoint.Position{Sequence: "4959033827149025660855969253836157109592157598913658" + strconv.Itoa(n)},
		Parents:  []string{"parent"}, StartingHashKey: "0", EndingHashKey: "340282366920938463463374607431768211455",
	}
}

// put writes the nth version of a shard's lease, the version before must be
// stored.
func put(tb testing.TB, s *Store, shard string, n int) error {
	tb.Helper()
	if n == 0 {
		return s.Create(tb.Context(), lease(shard, 0))
	}
	return s.Update(tb.Context(), lease(shard, n-1), lease(shard, n))
}

func mustPut(tb testing.TB, s *Store, shard string, n int) {
	tb.Helper()
	if err := put(tb, s, shard, n); err != nil {
		tb.Fatal(err)
	}
}

// versions are the counters of the leases that are stored.
func versions(tb testing.TB, s *Store) map[string]int64 {
	tb.Helper()
	list, err := s.Leases(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	got := make(map[string]int64, len(list))
	for _, l := range list {
		if !l.Equal(lease(l.Shard, int(l.Counter))) {
			tb.Errorf("stored is %+v, which nobody wrote", l)
		}
		got[l.Shard] = l.Counter
	}
	return got
}

func mustRead(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func mustWrite(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}
