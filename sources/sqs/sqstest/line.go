package sqstest

// line knows which visible message comes next.
type line interface {
	// enter is told of a new message, which is not visible yet.
	enter(m *message)
	// show is told that a message became visible.
	show(m *message)
	// hide is told that a visible message went in flight.
	hide(m *message)
	// leave is told that a message is gone for good, whatever its state.
	leave(m *message)
	// ready says whether take would offer a message.
	ready() bool
	// take offers up to n messages to hand, in order. Hand hides each of them
	// and returns true, or drops it and returns false; those do not count.
	take(n int, hand func(*message) bool)
}

// standardLine orders by arrival.
type standardLine struct {
	visible heap[*message]
}

func newStandardLine() *standardLine {
	return &standardLine{visible: heap[*message]{less: byArrival}}
}

func (l *standardLine) enter(*message) {}

func (l *standardLine) show(m *message) { l.visible.push(m) }

func (l *standardLine) hide(m *message) { l.visible.remove(m) }

func (l *standardLine) leave(m *message) {
	if m.state == visible {
		l.visible.remove(m)
	}
}

func (l *standardLine) ready() bool { return l.visible.len() > 0 }

func (l *standardLine) take(n int, hand func(*message) bool) {
	for n > 0 && l.visible.len() > 0 {
		if hand(l.visible.top()) {
			n--
		}
	}
}
