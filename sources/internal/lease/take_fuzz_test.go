package lease

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// FuzzTake lets workers take by the rules, in turn, until nothing moves: every
// lease has an owner then, shares differ by one at most, and nobody has more
// than he may. A worker never takes what another holds but to even out.
func FuzzTake(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0x80, 0x81}, byte(3), byte(0))
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1}, byte(3), byte(0))
	f.Add([]byte{0, 0, 0, 0, 0}, byte(2), byte(2))
	f.Add([]byte("00000B1B#"), byte(2), byte(1)) // leases that ran out, and a worker that is full
	f.Fuzz(func(t *testing.T, data []byte, workers, limit byte) {
		n := int(workers%6) + 1
		data = data[:min(len(data), 60)]
		const duration = 10 * time.Second
		now := pin.Add(time.Hour)
		all := make([]seen, len(data))
		for i, b := range data {
			all[i] = seen{lease: checkpoint.Lease{Shard: fmt.Sprintf("s%02d", i)}, since: now}
			if w := int(b & 7); w > 0 { // 7 is somebody who is no more
				all[i].lease.Owner = fmt.Sprint("w", w)
			}
			if owner := int(b & 7); owner > n {
				all[i].since = now.Add(-neglect * duration)
			} else if b&64 != 0 {
				all[i].since = now.Add(-duration)
			}
			if b&128 != 0 {
				all[i].lease.Position.Sequence = checkpoint.ShardEnd
			}
		}
		limitOf := func(w int) int {
			if w == 1 {
				return int(limit)
			}
			return 0
		}
		quiet := 0
		for round := 0; quiet < n; round++ {
			w := round%n + 1
			s := share{owner: fmt.Sprint("w", w), duration: duration, maxLeases: limitOf(w)}
			if !takeTurn(t, &s, all, now) {
				quiet++
			} else {
				quiet = 0
			}
			if round%n == n-1 { // time passes, and owners renew
				now = now.Add(duration / 2)
				for i := range all {
					if owner := all[i].lease.Owner; owner != "" && owner <= fmt.Sprint("w", n) && now.Sub(all[i].since) < duration {
						all[i].since = now
					}
				}
				if slices.ContainsFunc(all, func(x seen) bool {
					return !x.lease.Position.Ended() && (x.lease.Owner == "" || now.Sub(x.since) >= duration)
				}) {
					quiet = 0
				}
			}
			if round > 2000 {
				if n == 1 && limit > 0 {
					return // nobody else is there to take the rest
				}
				t.Fatalf("does not come to rest: %+v", all)
			}
		}
		checkShares(t, all, n, int(limit))
	})
}

// takeTurn has one worker take once.
func takeTurn(t *testing.T, s *share, all []seen, now time.Time) (moved bool) {
	t.Helper()
	var mine []seen
	have := 0
	for _, x := range all {
		x.held = x.lease.Owner == s.owner && now.Sub(x.since) < s.duration
		if x.held && !x.lease.Position.Ended() {
			have++
		}
		mine = append(mine, x)
	}
	free, steal := s.take(mine, now)
	if s.maxLeases > 0 && len(free)+have > max(s.maxLeases, have) {
		t.Fatalf("takes %d with %d of %d", len(free), have, s.maxLeases)
	}
	if len(steal) > 0 {
		free = append(free, steal[0])
		if s.maxLeases > 0 && have >= s.maxLeases {
			t.Fatal("steals though it is full")
		}
	}
	for i := range all {
		x := &all[i]
		for _, l := range free {
			if l.Shard != x.lease.Shard {
				continue
			}
			if mine[i].held || x.lease.Position.Ended() {
				t.Fatalf("takes %+v", mine[i])
			}
			x.lease.Owner, x.since, moved = s.owner, now, true
		}
	}
	return moved
}

func checkShares(t *testing.T, all []seen, n, limit int) {
	t.Helper()
	counts := make([]int, n+1)
	for _, x := range all {
		if x.lease.Position.Ended() {
			continue
		}
		w := 0
		if _, err := fmt.Sscanf(x.lease.Owner, "w%d", &w); err != nil || w > n {
			if n == 1 && limit > 0 {
				return
			}
			t.Fatalf("nobody reads %+v", x)
		}
		counts[w]++
	}
	counts = counts[1:]
	if limit > 0 && counts[0] >= limit {
		counts = counts[1:] // full; the others share the rest
	}
	if len(counts) > 0 && slices.Max(counts) > slices.Min(counts)+1 {
		t.Fatalf("shares %v", counts)
	}
}

func TestExclusiveTakesEverything(t *testing.T) {
	t.Parallel()
	s := share{owner: "me", exclusive: true, duration: time.Second}
	free, steal := s.take([]seen{
		{lease: checkpoint.Lease{Shard: "a", Owner: "b"}, since: pin},
		{lease: checkpoint.Lease{Shard: "b", Owner: "c"}, since: pin},
		{lease: checkpoint.Lease{Shard: "c", Owner: "me"}, since: pin, held: true},
	}, pin)
	if len(free) != 2 || len(steal) != 0 {
		t.Errorf("takes %v, steals %v", free, steal)
	}
}

func TestFormerOwnerIsFree(t *testing.T) {
	t.Parallel()
	s := share{owner: "me/2", former: map[string]bool{"me/1": true}, duration: time.Second}
	free, _ := s.take([]seen{{lease: checkpoint.Lease{Shard: "a", Owner: "me/1"}, since: pin}}, pin)
	if len(free) != 1 {
		t.Error("a lease from before a restart is not taken")
	}
}
