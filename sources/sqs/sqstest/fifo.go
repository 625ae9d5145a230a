package sqstest

import "container/list"

// fifoLine orders by arrival within message groups. A group is withheld while
// one of its messages is in flight (SQS-32).
type fifoLine struct {
	groups map[string]*group
	able   heap[*group] // those that have something to hand out
}

// group is a message group with at least one message.
type group struct {
	messages *list.List // of *message, by arrival
	inFlight int
	index    int // in able, -1 if it is not there
}

func (g *group) place() *int { return &g.index }

// head returns the group's oldest message.
func (g *group) head() *message { return messageAt(g.messages.Front()) }

// able says whether the group may hand out a message.
func (g *group) able() bool {
	return g.inFlight == 0 && g.messages.Len() > 0 && g.head().state == visible
}

// messageAt returns the message of an element; only messages are put in lists.
func messageAt(e *list.Element) *message {
	m, _ := e.Value.(*message)
	return m
}

func newFIFOLine() *fifoLine {
	l := &fifoLine{groups: make(map[string]*group)}
	l.able.less = func(a, b *group) bool { return byArrival(a.head(), b.head()) }
	return l
}

func (l *fifoLine) enter(m *message) {
	g := l.groups[m.group]
	if g == nil {
		g = &group{messages: list.New(), index: -1}
		l.groups[m.group] = g
	}
	m.element = g.messages.PushBack(m)
}

func (l *fifoLine) show(m *message) {
	g := l.groups[m.group]
	g.release(m)
	l.refresh(g)
}

func (l *fifoLine) hide(m *message) {
	g := l.groups[m.group]
	m.held = true
	g.inFlight++
	l.refresh(g)
}

func (l *fifoLine) leave(m *message) {
	g := l.groups[m.group]
	l.withdraw(g) // its head, by which it is ordered, may be the one to go
	g.release(m)
	g.messages.Remove(m.element)
	if g.messages.Len() == 0 {
		delete(l.groups, m.group)
		return
	}
	l.refresh(g)
}

func (l *fifoLine) ready() bool { return l.able.len() > 0 }

func (l *fifoLine) take(n int, hand func(*message) bool) {
	for n > 0 && l.able.len() > 0 {
		e := l.able.top().messages.Front()
		for n > 0 && e != nil && messageAt(e).state == visible {
			m := messageAt(e)
			e = e.Next()
			if hand(m) {
				n--
			}
		}
	}
}

// release ends a message's hold on the group, if it has one.
func (g *group) release(m *message) {
	if m.held {
		m.held = false
		g.inFlight--
	}
}

// refresh puts the group among the able ones, or takes it out.
func (l *fifoLine) refresh(g *group) {
	l.withdraw(g)
	if g.able() {
		l.able.push(g)
	}
}

func (l *fifoLine) withdraw(g *group) {
	if g.index >= 0 {
		l.able.remove(g)
		g.index = -1
	}
}
