package simulation

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// Replay simulates so many seeds of a kind twice. It returns how many of them took the same
// course to the byte, and how many took one that was alike: in each partition the records were
// handled first in the same order, and the same became of each. A client library that does
// several things at one instant does them in an order that is the scheduler's; then calls of
// the service, and with them instants, faults and what is handled again, part.
func Replay(t *testing.T, kind Kind, seeds uint64) (same, alike uint64) {
	t.Helper()
	for seed := *flagFirst; seed < *flagFirst+seeds; seed++ {
		one, other := simulate(t, kind, draw(kind, seed), nil), simulate(t, kind, draw(kind, seed), nil)
		if slices.Equal(one.Course, other.Course) {
			alike++
		} else {
			t.Logf("seed %d takes two courses: %s", seed, parting(one.Course, other.Course))
		}
		if slices.Equal(one.History, other.History) {
			same++
		} else {
			t.Logf("seed %d takes two courses to the byte: %s", seed, parting(one.History, other.History))
		}
	}
	return same, alike
}

// parting is where two texts part.
func parting(one, other []string) string {
	const before, behind = 4, 3
	at := 0
	for at < len(one) && at < len(other) && one[at] == other[at] {
		at++
	}
	return fmt.Sprintf("from line %d of %d and %d on:\n%s\nand\n%s", at, len(one), len(other),
		tail(one[max(0, at-before):min(at+behind, len(one))]), tail(other[max(0, at-1):min(at+behind, len(other))]))
}

// course is in which order the records of each partition were handled first, and what became
// of each.
func (o *Observer) course() []string {
	course := make([]string, 0, len(o.begun)+len(o.records))
	for _, partition := range slices.Sorted(maps.Keys(o.begun)) {
		course = append(course, fmt.Sprint(partition, " ", o.begun[partition]))
	}
	for _, t := range o.records {
		course = append(course, fmt.Sprintf("%d finished %v, given up %v, gone %v, settled %v", t.number, t.finished, t.given, t.gone, t.settled))
	}
	return course
}
