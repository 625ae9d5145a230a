package esm

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
)

// FuzzInbox pushes and takes in any order and compares with a plain list. What
// was taken is let go of, and the memory does not grow beyond what was held at
// once (P7). Two bytes are one step.
func FuzzInbox(f *testing.F) {
	f.Add([]byte{0, 5, 1, 2, 0, 9, 1, 20, 2, 3, 0, 1, 3, 0, 2, 1, 1, 1})
	f.Add([]byte{2, 1, 0, 3, 2, 1, 2, 9, 2, 1, 4, 0, 1, 1})
	f.Add([]byte{0, 30, 1, 29, 0, 30, 1, 30, 0, 30, 5, 0, 1, 1})
	for seed := range byte(16) {
		f.Add(noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		box := &inbox{wake: make(chan struct{}, 1)}
		var held []string // the model
		running, ended, most, pushed := false, false, 0, 0
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for i := 0; i+1 < min(len(steps), 200); i += 2 {
			kind, value := steps[i]%6, int(steps[i+1])%40
			switch kind {
			case 0: // the reader
				records := numbered(pushed, value)
				pushed += value
				for _, r := range records {
					held = append(held, r.ID)
				}
				room := box.room(value + 3) // not all of it need be used
				copy(room, records)
				if start := box.push(value); start == running {
					t.Fatalf("step %d: start %v, but running %v", i, start, running)
				}
				running = true
			case 1, 2: // the sub-lane; idle, it must end if there is nothing
				idle := kind == 2
				buf := make([]sources.Record, 1+value)
				wait := time.Duration(value % 2)
				if idle {
					wait = 0
				}
				n, err := box.fetch(dead, buf, wait)
				if idle && n == 0 && err == nil {
					err = box.leave()
				}
				want := min(len(buf), len(held))
				for k := range want {
					if n != want || buf[k].ID != held[k] {
						t.Fatalf("step %d: took %d records, want %q", i, n, held[:want])
					}
				}
				switch {
				case want > 0 && err != nil,
					want == 0 && idle && !ended && !errors.Is(err, errIdle),
					want == 0 && ended && !errors.Is(err, sources.ErrEnd),
					want == 0 && !idle && !ended && err != nil && !errors.Is(err, context.Canceled):
					t.Fatalf("step %d: took %d, idle %v, ended %v: %v", i, n, idle, ended, err)
				}
				held = held[want:]
				if errors.Is(err, errIdle) {
					running = false
				}
			case 3:
				box.end()
				ended = true
			case 4:
				var rest []string
				for _, r := range box.rest() {
					rest = append(rest, r.ID)
				}
				if !slices.Equal(rest, held) {
					t.Fatalf("step %d: rest %q, want %q", i, rest, held)
				}
				held = nil
			case 5:
				box.shrink()
				if len(held) == 0 && cap(box.queue) > 0 {
					t.Fatalf("step %d: room for %d records, and none is held", i, cap(box.queue))
				}
			}
			if n := len(box.queue) - box.head; n != len(held) {
				t.Fatalf("step %d: %d records, want %d", i, n, len(held))
			}
			most = max(most, len(held))
			if cap(box.queue) > 2*most+43 { // what is held twice, and what was asked for
				t.Fatalf("step %d: room for %d records, at most %d were held", i, cap(box.queue), most)
			}
			for k, r := range box.queue[:cap(box.queue)] {
				if (k < box.head || k >= len(box.queue)) && r.ID != "" {
					t.Fatalf("step %d: still holds on to record %s, which was taken", i, r.ID)
				}
			}
		}
	})
}
