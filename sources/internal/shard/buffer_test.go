package shard

import (
	"context"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
)

// number is a service whose records are their sequence numbers. Each has inside what its
// sub says, if that is not 0.
type number struct{ inside int64 }

func (number) Traits() Traits { return Traits{Service: "numbers", MaxRecords: 10} }

func (number) List(context.Context, time.Time) ([]lease.Shard, error) { return nil, nil }

func (number) Iterator(context.Context, string, checkpoint.Position) (string, error) { return "", nil }

func (number) Read(context.Context, string, int) (Answer[int], error) { return Answer[int]{}, nil }

func (number) Sequence(r *int) string { return strconv.Itoa(*r) }

func (number) Arrival(*int) time.Time { return time.Time{} }

func (number) Size(*int) int { return 1 }

func (n number) BehindAll(r *int) checkpoint.Position {
	return checkpoint.Position{Sequence: strconv.Itoa(*r), SubSequence: n.inside}
}

func (number) Position(r *sources.Record) checkpoint.Position {
	return checkpoint.Position{Sequence: r.ID}
}

func (number) Resumed(at checkpoint.Position) checkpoint.Position { return at }

func (n number) NewDecoder(string) Decoder[int] { return n }

func (n number) Decode(buf []sources.Record, from []int, _ checkpoint.Position) (filled, done int) {
	for filled < min(len(buf), len(from)) {
		buf[filled] = sources.Record{ID: strconv.Itoa(from[filled])}
		filled++
	}
	return filled, filled
}

// A reader that begins again a little before where it was brings nothing twice.
func TestBufferTakesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, inside := range []int64{0, math.MaxInt64} {
		p := &Partition[int]{stream: &Stream[int]{service: number{inside}}, read: checkpoint.Position{Sequence: "9"}}
		answer := func(from, to int) []int {
			var list []int
			for i := from; i < to; i++ {
				list = append(list, i)
			}
			return list
		}
		first := 10
		if inside > 0 {
			first = 9 // of which the first inside was settled
		}
		for _, test := range []struct{ from, to, first int }{{7, 12, first}, {8, 12, 12}, {11, 101, 12}, {3, 4, 101}, {99, 103, 101}} {
			p.put(answer(test.from, test.to))
			if got, want := len(p.buffer), max(test.to-test.first, 0); got != want {
				t.Errorf("%d inside: of %d to %d %d were buffered, want %d", inside, test.from, test.to, got, want)
			}
		}
	}
}
