package filter

import "unicode/utf8"

// matcher reads documents by a plan. It is used by one goroutine at a time and
// keeps its memory: whether a state is of now is told by the epoch in it, so
// nothing is cleared between documents or between the objects of an array.
type matcher struct {
	plan     *plan
	document []byte

	epoch   uint64
	nodes   []nodeState
	groups  []groupState
	decided []uint64 // by item: the value in which it was decided

	root      int
	undecided int // groups of the root
	// every outcome at the root is wanted, not just whether one holds.
	every bool
	// over: nothing more is asked of the document. stopped: nor whether it is
	// JSON. matched: a group of the body holds.
	over, stopped, matched     bool
	stopAtMatch, stopAtFailure bool

	open     []int    // the rules that hold as far as the metadata goes
	wanted   []uint64 // by group: the body that is read for it
	metadata []byte
	scratch  []byte // for a text without its escapes
}

type nodeState struct {
	// value is the value being read and object the object in it. seen is the
	// object above in which the field was met: of several members with one
	// name the first counts.
	value, object, seen uint64
	inArray             bool
	undecided           int // groups, in this object
}

func newMatcher(p *plan) *matcher {
	return &matcher{
		plan:    p,
		nodes:   make([]nodeState, len(p.nodes)),
		groups:  make([]groupState, len(p.groups)),
		decided: make([]uint64, len(p.items)),
		wanted:  make([]uint64, len(p.groups)),
		open:    make([]int, 0, len(p.rules)),
	}
}

// begin opens a document, of which nothing is known yet.
func (m *matcher) begin(root int, every bool) {
	m.epoch++
	m.root, m.every, m.undecided = root, every, 0
	m.nodes[root].value = m.epoch
	m.over, m.stopped, m.matched = false, false, false
}

// readMetadata decides the groups of the metadata.
func (m *matcher) readMetadata(metadata func(dst []byte) []byte) {
	root := &m.plan.nodes[metadataNode]
	if len(root.groups) == 0 {
		return
	}
	m.begin(metadataNode, true)
	if metadata == nil || len(root.kids) == 0 {
		return // everything is absent
	}
	m.undecided = len(root.groups)
	m.metadata = metadata(m.metadata[:0])
	if at(m.metadata, 0) != '{' || !m.read(m.metadata, maxDepth+aroundBodies) || !utf8.Valid(m.metadata) {
		m.begin(metadataNode, true) // as without any
	}
}

// readBody reads the body for the open rules, and reports whether it is JSON,
// UTF-8 apart. If it stopped early it does not know.
func (m *matcher) readBody(body []byte, every bool) bool {
	m.begin(bodyNode, every)
	for _, i := range m.open {
		if g := m.plan.rules[i].body; g != none && m.wanted[g] != m.epoch {
			m.wanted[g] = m.epoch
			m.undecided++
		}
	}
	for _, g := range m.plan.nodes[bodyNode].groups {
		if m.wanted[g] != m.nodes[bodyNode].value {
			m.groups[g].holds = false
			m.decided[m.plan.groups[g].item] = m.epoch
		}
	}
	whole := m.read(body, maxDepth)
	for _, i := range m.open {
		if g := m.plan.rules[i].body; g != none && m.holds(g) {
			m.matched = true
			break
		}
	}
	return whole
}

// aroundBodies is how much deeper metadata may nest than a body: they may hold
// what was a body of its own, such as the key of a Kafka record.
const aroundBodies = 3

// read reads a document of at most so many levels, and reports whether it read
// all of it.
func (m *matcher) read(document []byte, depth int) bool {
	m.document = document
	i := m.value(m.root, space(document, 0), depth)
	return i >= 0 && space(document, i) == len(document)
}

// holds tells whether a group of the root holds, after its document was read.
func (m *matcher) holds(id int) bool {
	g := &m.plan.groups[id]
	if m.decided[g.item] == m.nodes[g.node].value {
		return m.groups[id].holds
	}
	return g.missing == 0
}
