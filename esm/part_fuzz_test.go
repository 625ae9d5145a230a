package esm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
)

// balky is a partition that settles as a script says.
type balky struct {
	counter

	script []byte
	open   []string // what is to be in the next call
	calls  int
	wrong  string
}

func ids(records []sources.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		all[i] = records[i].ID
	}
	return all
}

// Ack settles by the next byte of the script: all, none, some, or it is lost.
func (b *balky) Ack(_ context.Context, records []sources.Record) error {
	if b.calls++; !slices.Equal(ids(records), b.open) {
		b.wrong = fmt.Sprintf("call %d settles %q, left were %q", b.calls, ids(records), b.open)
	}
	how := byte(0) // in the end all
	if len(b.script) > 0 {
		how, b.script = b.script[0], b.script[1:]
	}
	switch how % 4 {
	case 0:
		b.open = nil
		return nil
	case 1:
		return errors.New("service unavailable")
	case 2:
		partial := &sources.AckError{Err: errors.New("some failed")}
		for i, r := range records {
			switch (int(how)>>2 + i*i) % 3 {
			case 0:
				partial.Unsettled = append(partial.Unsettled, r)
			case 1:
				partial.Stale = append(partial.Stale, r)
			}
		}
		b.open = ids(partial.Unsettled)
		return fmt.Errorf("wrapped: %w", partial)
	default:
		b.open = nil
		return fmt.Errorf("wrapped: %w", sources.ErrLost)
	}
}

// FuzzAck settles records at a source that answers anything. Each record is
// told of once, as settled or as stale, unless the partition is lost; what is
// left is tried again, after a wait, and what is not is never.
func FuzzAck(f *testing.F) {
	f.Add(uint8(5), uint8(0), []byte{1, 1, 2, 6, 10, 1})
	f.Add(uint8(20), uint8(3), []byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Add(uint8(10), uint8(0), []byte{2, 3})
	f.Add(uint8(1), uint8(200), []byte{6, 6, 6, 6})
	for seed := range byte(16) {
		f.Add(2*seed, 16*seed, noise(seed, 40))
	}
	f.Fuzz(func(t *testing.T, n, expires uint8, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			records := numbered(0, 1+int(n)%30)
			for i := range records {
				if expires > 0 && (expires < 128 || i > 0) { // all, or all but one
					records[i].Expires = time.Now().Add(time.Duration(expires) * 100 * time.Millisecond)
				}
			}
			b := &balky{script: script[:min(len(script), 40)], open: ids(records)}
			told := map[Metric]int{}
			m := &Mapping{config: Config{
				Logger: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0.5 },
				Observer: func(o Observation) { told[o.Metric] += o.Count },
			}}
			patience, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			p := m.newPart(b, stages{t.Context(), t.Context(), patience})
			defer p.end(nil)
			began := time.Now()
			p.ack(p.partition.Ack, records, DeletedEventCount, 1)
			if b.wrong != "" {
				t.Error(b.wrong)
			}
			sum := told[DeletedEventCount] + told[StaleEventCount]
			if all := 1 + int(n)%30; !p.lost() && sum != all || sum > all {
				t.Errorf("told of %v, of %d records", told, all)
			}
			if took := time.Since(began); b.calls > 1 && took < time.Duration(b.calls-1)*ackBackoff().Initial/2 {
				t.Errorf("%d calls in %v", b.calls, took)
			}
			left := slices.DeleteFunc(records, func(r sources.Record) bool { return !slices.Contains(b.open, r.ID) })
			if len(left) > 0 && patience.Err() == nil && !expired(left, time.Now()) {
				t.Errorf("given up with %q left, after %v", b.open, time.Since(began))
			}
			if cut := len(left) > 0 && patience.Err() != nil; cut != m.cut.Load() {
				t.Errorf("cut %v, with %q left after %v", m.cut.Load(), b.open, time.Since(began))
			}
		})
	})
}

// FuzzHeld lets go of held records whose time is over, and of those of the
// groups of failed ones, as one walk over them would. A byte is a record: its
// group and when it expires.
func FuzzHeld(f *testing.F) {
	f.Add(uint8(3), uint8(1), true, []byte("abcabc"))
	f.Add(uint8(9), uint8(0), false, []byte("aaAbBb"))
	f.Add(uint8(2), uint8(0xff), true, []byte{0, 8, 16, 24, 32})
	for seed := range byte(16) {
		f.Add(2*seed, 17*seed, seed%3 > 0, noise(seed, 40))
	}
	f.Fuzz(func(t *testing.T, batch, failed uint8, grouped bool, rows []byte) {
		now := time.Now()
		held := numbered(0, min(len(rows), 40))
		n := min(int(batch), len(held))
		var alive, dead, mates, stay, back []string
		groups := map[string]bool{}
		for i := range held {
			held[i].Key = string('a' + rune(rows[i]%4))
			switch rows[i] / 4 % 4 {
			case 1:
				held[i].Expires = now.Add(59 * time.Second) // less than the handler may take
			case 2:
				held[i].Expires = now.Add(time.Hour)
			}
			groups[held[i].Key] = groups[held[i].Key] || grouped && i < n && rows[i]/4%4 == 1
		}
		want := 0 // of the first n
		for i, r := range held {
			switch {
			case rows[i]/4%4 == 1 && i < n:
				dead = append(dead, r.ID)
			case groups[r.Key]:
				mates = append(mates, r.ID)
			default:
				alive = append(alive, r.ID)
				if i < n {
					want++
				}
			}
		}
		b := &releasing{}
		told := map[Metric]int{}
		p := &part{Mapping: &Mapping{
			traits: sources.Traits{Grouped: grouped, Redelivers: true},
			config: Config{Timeout: time.Minute, Observer: func(o Observation) { told[o.Metric] += o.Count }, Logger: slog.New(slog.DiscardHandler)},
		}, partition: b}
		p.work, p.settle = t.Context(), t.Context()
		l := &queueLane{lane: lane{held: slices.Clone(held)}, pool: &unordered{part: p, budget: newBudget(&p.config, &p.traits)}}
		left := l.dropUnstartable(n)
		if left != want || !slices.Equal(ids(l.held), alive) || told[StaleEventCount] != len(dead) ||
			!slices.Equal(b.released, mates) {
			t.Fatalf("%d left of %d, held %q, released %q, told of %v; %q are over, and %q with them",
				left, n, ids(l.held), b.released, told, dead, mates)
		}
		b.released = nil
		clear(groups)
		for i, r := range l.held[:left] {
			if failed>>(i%8)&1 == 1 {
				l.unsettled = append(l.unsettled, r)
				groups[r.Key] = true
			}
		}
		l.finish(left)
		for _, r := range l.held {
			if grouped && groups[r.Key] {
				back = append(back, r.ID)
			} else {
				stay = append(stay, r.ID)
			}
		}
		l.dropGroups(0)
		if !slices.Equal(ids(l.held), stay) || !slices.Equal(b.released, back) || len(l.unsettled) != 0 {
			t.Fatalf("held %q, released %q, want %q, %q", ids(l.held), b.released, stay, back)
		}
		if strings.Join(ids(l.held[len(l.held):cap(l.held)]), "") != "" {
			t.Fatalf("still holds on to %q", ids(l.held[:cap(l.held)]))
		}
	})
}

type releasing struct {
	sources.Partition

	released []string
}

func (r *releasing) Release(_ context.Context, records []sources.Record) error {
	r.released = append(r.released, ids(records)...)
	return nil
}
