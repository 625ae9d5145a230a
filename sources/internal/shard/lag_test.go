package shard

import (
	"strconv"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// TestLagIsBounded_P7 fetches very many records one by one, of which none is settled.
func TestLagIsBounded_P7(t *testing.T) {
	t.Parallel()
	const n = 100_000
	var l lag
	began := time.Unix(1_700_000_000, 0)
	position := func(i int) checkpoint.Position { return checkpoint.Position{Sequence: strconv.Itoa(i)} }
	for i := range n {
		l.fetch([]sources.Record{{Time: began.Add(time.Duration(i) * time.Second)}}, position(i), time.Time{})
	}
	if len(l.hand) > maxStretches {
		t.Errorf("%d stretches", len(l.hand))
	}
	now := began.Add(n * time.Second)
	for i := range n {
		l.settle(position(i), began.Add(time.Duration(i)*time.Second))
		age := time.Duration(n-i-1) * time.Second
		switch got, known := l.measure(now, time.Minute, 0); {
		case i == n-1 && known:
			t.Fatalf("all is settled: %v", got)
		case i < n-1 && (!known || got < age || got > age+time.Second):
			t.Fatalf("settled up to %d: %v behind, known: %t, want %v", i, got, known, age)
		}
	}
}

// TestLagOfRecordsWithoutTime is not known.
func TestLagOfRecordsWithoutTime(t *testing.T) {
	t.Parallel()
	var l lag
	l.fetch([]sources.Record{{}}, checkpoint.Position{Sequence: "1"}, time.Time{})
	if got, known := l.measure(time.Now(), time.Minute, 0); known {
		t.Errorf("%v behind", got)
	}
}
