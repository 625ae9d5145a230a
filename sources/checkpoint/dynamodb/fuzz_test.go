package dynamodb_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/openesm/openesm/sources/checkpoint"
)

// FuzzRoundTrip: a lease comes back as it was written, by Create and by Update.
func FuzzRoundTrip(f *testing.F) {
	f.Add("shardId-000000000000", "worker", int64(1), "TRIM_HORIZON", int64(0), int64(0), "a,b", "", "0", []byte("w"))
	f.Add("y", "w", int64(2), "77", int64(3), int64(0), "", "", "", []byte(strings.Repeat(`{"state":1}`, 500)))
	f.Add("x", "", int64(-5), "", int64(1)<<62, int64(1)<<60, "", "c,,c", "", []byte(nil))
	w := withTable(f)
	f.Fuzz(func(t *testing.T, shard, owner string, counter int64, sequence string, sub, at int64, parents, children, hash string, window []byte) {
		for _, text := range []string{shard, owner, sequence, parents, children, hash} {
			if !utf8.ValidString(text) || len(text) > 1000 {
				t.Skip("no lease has such a text")
			}
		}
		if shard == "" || counter == 1<<63-1 || len(window) > 300_000 {
			t.Skip("no lease is like that")
		}
		l := checkpoint.Lease{
			Shard: shard, Owner: owner, Counter: counter,
			Position: checkpoint.Position{Sequence: sequence, SubSequence: sub},
			Parents:  list(parents), Children: list(children), StartingHashKey: hash, Window: window,
		}
		if at != 0 {
			l.Position.Timestamp = time.Unix(0, at)
		}
		if err := w.store.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if got := only(t, w.store); !got.Equal(l) {
			t.Errorf("%+v came back as %+v", l, got)
		}
		bare := checkpoint.Lease{Shard: shard, Counter: counter + 1}
		if err := w.store.Update(t.Context(), l, bare); err != nil {
			t.Fatal(err)
		}
		l.Counter += 2 // may run over, which is as good a counter
		if err := w.store.Update(t.Context(), bare, l); err != nil {
			t.Fatal(err)
		}
		if got := only(t, w.store); !got.Equal(l) {
			t.Errorf("%+v came back as %+v", l, got)
		}
		if err := w.store.Delete(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	})
}

// list is the set of the names between commas.
func list(text string) []string {
	var names []string
	seen := make(map[string]bool)
	for name := range strings.SplitSeq(text, ",") {
		if name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
