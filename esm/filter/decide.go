package filter

// groupState is what is known of a group in one object.
type groupState struct {
	object uint64
	// left are the items that are undecided, and missing those that do not
	// hold if nothing more comes.
	left, missing int
	decided       bool
	// failed is the value in which the group failed for an object of an array.
	failed uint64
	// holds is the outcome of a group of the root.
	holds bool
}

func (m *matcher) openObject(id int, inArray bool) {
	m.epoch++
	st := &m.nodes[id]
	st.object, st.inArray, st.undecided = m.epoch, inArray, 0
	for _, g := range m.plan.nodes[id].groups {
		if m.decided[m.plan.groups[g].item] != st.value {
			st.undecided++
		}
	}
}

// closeObject decides the groups that waited for more. One that was not
// touched is as if there were no object: if it holds, then by absence, and so
// in an array only if it does for all its objects.
func (m *matcher) closeObject(id int) {
	node := &m.nodes[id]
	for _, g := range m.plan.nodes[id].groups {
		if st := &m.groups[g]; st.object == node.object && !st.decided {
			m.conclude(g, st.missing == 0)
		}
	}
}

// closeArray decides what none of the elements satisfied. scalars tells
// whether it had elements that are neither objects nor arrays: without them
// a leaf is absent.
func (m *matcher) closeArray(id int, scalars bool) {
	value := m.nodes[id].value
	for _, l := range m.plan.nodes[id].leaves {
		if i := m.plan.leaves[l].item; scalars && m.decided[i] != value {
			m.decide(i, id, false)
		}
	}
	for _, g := range m.plan.nodes[id].groups {
		if m.groups[g].failed == value && m.decided[m.plan.groups[g].item] != value {
			m.settle(g, false)
		}
	}
}

// decide tells the groups above that an item of a node is decided: it holds by
// a value, or fails. What holds by absence is never decided.
func (m *matcher) decide(id, at int, holds bool) {
	m.decided[id] = m.nodes[at].value
	i := &m.plan.items[id]
	for _, g := range i.groups {
		m.count(g, holds, i.absent)
	}
}

// count counts an item of a group as decided. absent tells whether it would
// have held without its field.
func (m *matcher) count(id int, holds, absent bool) {
	g, st := &m.plan.groups[id], &m.groups[id]
	node := &m.nodes[g.node]
	if m.decided[g.item] == node.value {
		return // by an object before this one
	}
	if st.object != node.object {
		st.object, st.left, st.missing, st.decided = node.object, g.size, g.missing, false
	}
	if st.decided {
		return
	}
	st.left--
	if holds && !absent {
		st.missing--
	}
	if !holds || st.left == 0 {
		m.conclude(id, holds)
	}
}

// conclude decides a group for the object at hand. If it fails for one of an
// array, another may satisfy it.
func (m *matcher) conclude(id int, holds bool) {
	node, st := &m.nodes[m.plan.groups[id].node], &m.groups[id]
	st.decided = true
	node.undecided--
	if !holds && node.inArray {
		st.failed = node.value
		return
	}
	m.settle(id, holds)
}

// settle decides a group for the value at hand.
func (m *matcher) settle(id int, holds bool) {
	g := &m.plan.groups[id]
	m.decide(g.item, g.node, holds)
	if g.node != m.root {
		return
	}
	m.groups[id].holds = holds
	m.undecided--
	switch {
	case m.over:
	case holds && !m.every:
		m.matched, m.over, m.stopped = true, true, m.stopAtMatch
	case m.undecided == 0:
		m.over, m.stopped = true, m.stopAtFailure && !m.every
	}
}
