package activemq

import (
	"cmp"
	"slices"
	"time"
)

// buffer has messages that came and are not handed out, in the order in which they came,
// and knows which message groups may be handed out: those of which nothing is (MQ-26).
// Its users lock it.
type buffer struct {
	messages []*Message
	groups   map[string]*group
	// held is how many messages came over the link and are not done with, buffered and
	// handed out, and bytes what they take.
	held, bytes int
	turn        uint64 // counts takes
}

// group is a message group of which something came.
type group struct {
	name string
	here int        // how many of its messages are buffered
	out  []*Message // that are handed out
	turn uint64     // of the take that handed out the last of them, or may
	held int        // how many of out the lane has whose turn it is
	// old was handed out of a link that was lost since. Until all of it is forgotten by
	// the engine, or it is later than until, a handler may run with it.
	old   []*Message
	until time.Time
}

func newBuffer() *buffer { return &buffer{groups: make(map[string]*group)} }

// add puts messages at the end.
func (s *buffer) add(messages []*Message) {
	for _, m := range messages {
		s.held++
		s.bytes += m.size
		if name := m.groupName(); name != "" {
			m.group = s.group(name)
			m.group.here++
		}
	}
	s.messages = append(s.messages, messages...)
}

func (s *buffer) group(name string) *group {
	g := s.groups[name]
	if g == nil {
		g = &group{name: name}
		s.groups[name] = g
	}
	return g
}

// groupName is the message group, "" for none.
func (m *Message) groupName() string {
	if m.Properties == nil {
		return ""
	}
	return deref(m.Properties.GroupID)
}

// settled forgets what was handed out of links that were lost, once nothing runs with it.
func (g *group) settled(now time.Time) bool {
	running := func(m *Message) bool { return !m.settled.Load() && !m.dropped.Load() }
	if now.Before(g.until) && slices.ContainsFunc(g.old, running) {
		return false
	}
	g.old = nil
	return true
}

// hold says that the lane whose turn it is has a message.
func (s *buffer) hold(m *Message) {
	g := m.group
	if g == nil {
		return
	}
	if g.turn != s.turn {
		g.turn, g.held = s.turn, 0
	}
	g.held++
}

// open reports whether the lane whose turn it is may have what is buffered of a group: it
// has all that is out of it, if anything is.
func (g *group) open(turn uint64, now time.Time) bool {
	held := 0
	if g.turn == turn {
		held = g.held
	}
	return len(g.out) == held && g.settled(now)
}

// take hands out up to so many messages by appending them to dst. What is buffered of a
// group comes together, so that few groups are held up, and other lanes have the others.
func (s *buffer) take(dst []*Message, most int, now time.Time) []*Message {
	end := len(dst) + most
	for i, m := range s.messages {
		if len(dst) == end {
			break
		}
		switch g := m.group; {
		case m.out:
		case g == nil:
			m.out = true
			dst = append(dst, m)
		case g.here > 0 && g.open(s.turn, now):
			dst = s.takeGroup(dst, end, g, s.messages[i:])
		}
	}
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.out })
	return dst
}

// takeGroup hands out what is of a group, until dst has so many.
func (*buffer) takeGroup(dst []*Message, end int, g *group, from []*Message) []*Message {
	for _, m := range from {
		if g.here == 0 || len(dst) == end {
			break
		}
		if m.group == g {
			m.out = true
			g.here--
			g.out = append(g.out, m)
			dst = append(dst, m)
		}
	}
	return dst
}

// finish says that a message which was handed out is done with.
func (s *buffer) finish(m *Message) {
	if !m.out {
		return
	}
	m.out = false
	s.held--
	s.bytes -= m.size
	if m.group != nil {
		m.group.drop(m)
		s.forget(m.group)
	}
}

func (g *group) drop(m *Message) {
	if i := slices.Index(g.out, m); i >= 0 {
		g.out = slices.Delete(g.out, i, i+1)
	}
}

// putBack takes back messages that were handed out and never started.
func (s *buffer) putBack(messages []*Message) {
	for _, m := range messages {
		m.out = false
		if m.group != nil {
			m.group.drop(m)
			m.group.here++
		}
	}
	s.messages = append(s.messages, messages...)
	slices.SortFunc(s.messages, func(a, b *Message) int { return cmp.Compare(a.number, b.number) })
}

// lose drops all that came over a link that was lost. What is handed out of a group holds
// it up until then, unless it is done with before.
func (s *buffer) lose(now, until time.Time) {
	s.messages, s.held, s.bytes = nil, 0, 0
	for _, g := range s.groups {
		g.settled(now)
		for _, m := range g.out {
			m.out = false
		}
		if len(g.out) > 0 {
			g.old, g.until = append(g.old, g.out...), until
		}
		g.here, g.out = 0, nil
		s.forget(g)
	}
}

// forget drops a group of which there is nothing.
func (s *buffer) forget(g *group) {
	if g.here == 0 && len(g.out) == 0 && len(g.old) == 0 {
		delete(s.groups, g.name)
	}
}

// heldUntil is when the next group is free that a lost link holds up, zero if there is none.
func (s *buffer) heldUntil(now time.Time) time.Time {
	var first time.Time
	for _, g := range s.groups {
		if len(g.old) > 0 && !g.settled(now) && (first.IsZero() || g.until.Before(first)) {
			first = g.until
		}
	}
	return first
}
