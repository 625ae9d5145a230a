package esm

import (
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources"
)

// FuzzTracker finishes records in any order and compares the position with the
// obvious one: everything before the first unfinished record (P3).
func FuzzTracker(f *testing.F) {
	f.Add([]byte{5, 0, 3, 1, 200, 2, 9, 9, 0, 0})
	f.Add([]byte{255, 1, 255, 0, 255, 2})
	f.Fuzz(func(t *testing.T, steps []byte) {
		tracker := newTracker(0)
		var open []sources.Record // fetched, unfinished
		added, passed := 0, 0
		done := map[int]bool{}
		position := ""
		for i, step := range steps {
			if i%2 == 0 {
				chunk := make([]sources.Record, step%17)
				for k := range chunk {
					chunk[k] = sources.Record{ID: strconv.Itoa(added + k), Size: 1 + int(step)}
				}
				tracker.add(chunk)
				added += len(chunk)
				open = append(open, chunk...)
				continue
			}
			n := min(int(step%5), len(open))
			from := 0
			if rest := len(open) - n; rest > 0 {
				from = int(step) % rest
			}
			batch := append([]sources.Record(nil), open[from:from+n]...)
			open = append(open[:from:from], open[from+n:]...)
			moved := tracker.finish(batch)
			for _, r := range batch {
				done[int(r.Offset)] = true
			}
			before := passed
			for done[passed] {
				position = strconv.Itoa(passed)
				passed++
			}
			if moved != (passed > before) {
				t.Fatalf("moved %v, position went from %d to %d", moved, before, passed)
			}
			if moved {
				record, count := tracker.take()
				if record.ID != position || count != passed-before {
					t.Fatalf("position %q after %d more, want %q after %d", record.ID, count, position, passed-before)
				}
			}
			if records, _ := tracker.open(); records != added-len(done) {
				t.Fatalf("%d unfinished records, want %d", records, added-len(done))
			}
		}
		tracker.finish(open)
		if records, bytes := tracker.open(); records != 0 || bytes != 0 {
			t.Fatalf("%d records, %d bytes open in the end", records, bytes)
		}
	})
}
