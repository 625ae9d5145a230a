package shard

import (
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// answerLife is how long an answer tells how far the reading is behind, beyond the
	// idle interval.
	answerLife = 30 * time.Second
	// maxStretches bounds what is kept of the records in hand.
	maxStretches = 128
)

// lag is how far behind the shard's newest record its records are settled: as far as
// the reading was by the last answer, if that is not old, and as far as the oldest
// record that was read and is not settled. It may be used concurrently.
type lag struct {
	mu       sync.Mutex
	behind   time.Duration // of the last answer
	answered time.Time     // zero for never

	hand    []stretch           // that were fetched and are not settled, oldest first
	floor   checkpoint.Position // behind the last stretch that was settled
	settled checkpoint.Position // behind the last record that was settled
	arrival time.Time           // of that record
	next    time.Time           // arrival of the next record to be fetched; zero for none
}

// stretch is records that follow each other.
type stretch struct {
	oldest time.Time // arrival of one of them; zero for unknown
	end    checkpoint.Position
}

// answer notes how far behind the reading is.
func (l *lag) answer(behind time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind, l.answered = behind, now
}

// fetch notes that records were fetched, of which the last ends at a position, and when
// the next ones arrived.
func (l *lag) fetch(records []sources.Record, end checkpoint.Position, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = next
	if len(records) == 0 {
		return
	}
	if len(l.hand) == maxStretches {
		l.thin()
	}
	s := stretch{end: end}
	for i := range records {
		s.oldest = earlier(s.oldest, records[i].Time)
	}
	l.hand = append(l.hand, s)
}

// thin makes one of every two stretches.
func (l *lag) thin() {
	half := l.hand[:0]
	for i := 0; i+1 < len(l.hand); i += 2 {
		a, b := l.hand[i], l.hand[i+1]
		half = append(half, stretch{oldest: earlier(a.oldest, b.oldest), end: b.end})
	}
	clear(l.hand[len(half):])
	l.hand = half
}

// settle notes that everything up to a record is settled.
func (l *lag) settle(to checkpoint.Position, arrival time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled, l.arrival = to, arrival
	n := 0
	for n < len(l.hand) && !behind(l.hand[n].end, to) {
		l.floor = l.hand[n].end
		n++
	}
	l.hand = l.hand[:copy(l.hand, l.hand[n:])]
	if len(l.hand) == 0 {
		l.hand = nil
	}
}

// oldest is when the oldest record in hand arrived, or one that did before it; zero if
// there is none, or if it is not known.
func (l *lag) oldest() time.Time {
	if len(l.hand) == 0 {
		return l.next
	}
	at := l.hand[0].oldest
	if behind(l.settled, l.floor) && l.arrival.After(at) {
		return l.arrival // a part of the stretch is settled
	}
	return at
}

// measure returns how far behind it is, by the service's clock; false for unknown.
func (l *lag) measure(now time.Time, life, skew time.Duration) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var far time.Duration
	known := !l.answered.IsZero() && now.Sub(l.answered) <= life
	if known {
		far = l.behind
	}
	if at := l.oldest(); !at.IsZero() {
		far, known = max(far, now.Add(skew).Sub(at)), true
	}
	return far, known
}

// earlier is the earlier of two times, of which those that are zero do not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
