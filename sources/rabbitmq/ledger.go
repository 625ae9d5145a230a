package rabbitmq

import "time"

// ledger is what is known of the deliveries of one channel. The broker numbers them from
// 1 on, without gaps.
type ledger struct {
	first   uint64 // the tag of entries[0]
	entries []entry
	open    int // that are not settled
	parked  int // of these
}

// entry is one delivery.
type entry struct {
	came  time.Time
	state state
}

// state is how it stands with a delivery.
type state uint8

const (
	buffered state = iota // nobody has it yet
	handed                // the engine has it
	parked                // left alone until the channel is closed: too large
	settled               // acknowledged or given back
)

// add notes the next delivery, and reports false if the tag is not the next.
func (l *ledger) add(tag uint64, came time.Time) bool {
	if l.first == 0 {
		l.first = 1
	}
	if tag != l.first+uint64(len(l.entries)) {
		return false
	}
	l.entries = append(l.entries, entry{came: came})
	l.open++
	return true
}

// at is the entry of a delivery, nil if it is settled and forgotten.
func (l *ledger) at(tag uint64) *entry {
	if tag < l.first || tag-l.first >= uint64(len(l.entries)) {
		return nil
	}
	return &l.entries[tag-l.first]
}

// isOpen reports whether a delivery is not settled.
func (l *ledger) isOpen(tag uint64) bool {
	e := l.at(tag)
	return e != nil && e.state != settled
}

// settle settles a delivery, and reports false if it was settled before.
func (l *ledger) settle(tag uint64) bool {
	e := l.at(tag)
	if e == nil || e.state == settled {
		return false
	}
	if e.state == parked {
		l.parked--
	}
	e.state = settled
	l.open--
	return true
}

// park leaves a delivery alone, and reports false if it is settled or parked.
func (l *ledger) park(tag uint64) bool {
	e := l.at(tag)
	if e == nil || e.state == settled || e.state == parked {
		return false
	}
	e.state = parked
	l.parked++
	return true
}

// advance forgets the settled deliveries at the front, and returns the first tag that is
// not settled: all below it are.
func (l *ledger) advance() uint64 {
	n := 0
	for n < len(l.entries) && l.entries[n].state == settled {
		n++
	}
	if n > 0 {
		l.first += uint64(n)
		l.entries = l.entries[:copy(l.entries, l.entries[n:])]
	}
	return l.first
}

// oldest is when the oldest delivery came that is not settled, nor parked unless that
// counts too; zero if there is none.
func (l *ledger) oldest(withParked bool) time.Time {
	for i := range l.entries {
		if s := l.entries[i].state; s != settled && (s != parked || withParked) {
			return l.entries[i].came
		}
	}
	return time.Time{}
}
