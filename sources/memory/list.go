package memory

// An entry is a link of up to two lists at once: the line it waits in and the
// messages in flight.
const (
	inLine = iota
	inFlight
	lists
)

type links struct{ previous, next *entry }

// list is a doubly linked list through entry.links[which], so that joining and
// leaving allocates nothing.
type list struct {
	which      int
	head, tail *entry
	length     int
}

func (l *list) pushBack(e *entry) {
	e.links[l.which] = links{previous: l.tail}
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.links[l.which].next = e
	}
	l.tail = e
	l.length++
}

func (l *list) pushFront(e *entry) {
	e.links[l.which] = links{next: l.head}
	if l.head == nil {
		l.tail = e
	} else {
		l.head.links[l.which].previous = e
	}
	l.head = e
	l.length++
}

// insertAfter puts e behind at, or first if that is nil.
func (l *list) insertAfter(at, e *entry) {
	switch at {
	case nil:
		l.pushFront(e)
	case l.tail:
		l.pushBack(e)
	default:
		next := l.next(at)
		e.links[l.which] = links{previous: at, next: next}
		at.links[l.which].next, next.links[l.which].previous = e, e
		l.length++
	}
}

func (l *list) remove(e *entry) {
	at := e.links[l.which]
	if at.previous == nil {
		l.head = at.next
	} else {
		at.previous.links[l.which].next = at.next
	}
	if at.next == nil {
		l.tail = at.previous
	} else {
		at.next.links[l.which].previous = at.previous
	}
	e.links[l.which] = links{}
	l.length--
}

func (l *list) next(e *entry) *entry { return e.links[l.which].next }

func (l *list) previous(e *entry) *entry { return e.links[l.which].previous }
