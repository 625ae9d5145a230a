package memory

// group is a message group of a FIFO queue. All its messages stay in line, in
// order, until they are deleted, also while in flight (SQS-32).
type group struct {
	name     string
	line     list
	inflight int
	open     bool // in Queue.open
	next     *group
}

// groupList is the groups that may be received from, first come first served.
type groupList struct{ head, tail *group }

func (l *groupList) push(g *group) {
	g.open, g.next = true, nil
	if l.tail == nil {
		l.head = g
	} else {
		l.tail.next = g
	}
	l.tail = g
}

func (l *groupList) pop() *group {
	g := l.head
	if g == nil {
		return nil
	}
	l.head = g.next
	if l.head == nil {
		l.tail = nil
	}
	g.open, g.next = false, nil
	return g
}

func (q *Queue) addToGroup(e *entry) {
	g := q.groups[e.record.Key]
	if g == nil {
		g = &group{name: e.record.Key, line: list{which: inLine}}
		q.groups[g.name] = g
	}
	e.group = g
	g.line.pushBack(e)
	q.openGroup(g)
}

// openGroup lets a group be received from if none of it is in flight, and
// forgets it if it is empty.
func (q *Queue) openGroup(g *group) {
	switch {
	case g.open || g.inflight > 0:
	case g.line.head == nil:
		delete(q.groups, g.name)
	default:
		q.open.push(g)
	}
}
