package filter

// value reads the value of a node at i.
func (m *matcher) value(id, i, depth int) int {
	n := &m.plan.nodes[id]
	switch at(m.document, i) {
	case '{':
		if len(n.groups) > 0 {
			return m.object(id, i+1, depth-1, false)
		}
	case '[':
		return m.array(id, i+1, depth-1)
	default:
		if len(n.leaves) > 0 {
			return m.single(id, i)
		}
	}
	return skipValue(m.document, i, depth)
}

// object reads what follows an opening brace.
func (m *matcher) object(id, i, depth int, inArray bool) int {
	if depth < 0 {
		return invalid
	}
	m.openObject(id, inArray)
	b := m.document
	i = space(b, i)
	if at(b, i) == '}' {
		m.closeObject(id)
		return i + 1
	}
	for {
		if at(b, i) != '"' {
			return invalid
		}
		if i = m.member(id, i+1, depth); i < 0 {
			return invalid
		}
		i = space(b, i)
		switch at(b, i) {
		case ',':
			i = space(b, i+1)
		case '}':
			m.closeObject(id)
			return i + 1
		default:
			return invalid
		}
	}
}

// member reads a member, whose name starts at i.
func (m *matcher) member(id, i, depth int) int {
	b := m.document
	end, escaped := stringEnd(b, i)
	if end < 0 {
		return invalid
	}
	name := b[i:end]
	if i = space(b, end+1); at(b, i) != ':' {
		return invalid
	}
	i = space(b, i+1)
	st := &m.nodes[id]
	if m.over || st.undecided == 0 {
		return skipValue(b, i, depth)
	}
	if escaped {
		m.scratch = unescape(m.scratch[:0], name)
		name = m.scratch
	}
	kid := m.plan.nodes[id].find(name)
	if kid == none || m.nodes[kid].seen == st.object || !m.isAsked(kid) {
		return skipValue(b, i, depth)
	}
	m.epoch++
	m.nodes[kid].seen, m.nodes[kid].value = st.object, m.epoch
	if i = m.value(kid, i, depth); m.stopped {
		return invalid
	}
	return i
}

// isAsked tells whether a field can still change anything.
func (m *matcher) isAsked(id int) bool {
	n := &m.plan.nodes[id]
	node := &m.nodes[n.parent]
	for _, g := range n.askers {
		st := &m.groups[g]
		if m.decided[m.plan.groups[g].item] != node.value && (st.object != node.object || !st.decided) {
			return true
		}
	}
	return false
}

// single reads a value that is neither an object nor an array.
func (m *matcher) single(id, i int) int {
	v, i := m.scalar(i)
	if i < 0 {
		return invalid
	}
	for _, l := range m.plan.nodes[id].leaves {
		leaf := &m.plan.leaves[l]
		m.decide(leaf.item, id, leaf.passes(v))
	}
	return i
}

// array reads what follows an opening bracket. The elements of arrays in it
// are as its own: a leaf passes if one of them does (FILT-43), and a group
// holds if one object of them satisfies it (FILT-45). Where a rule asks one field
// for a value and for a field below, RULER wants both from the same element if that
// is an array; here the value may come from any.
func (m *matcher) array(id, i, depth int) int {
	b := m.document
	scalars := false // there was one
	for level, first := 1, true; level > 0; {
		if level-1 > depth {
			return invalid
		}
		i = space(b, i)
		switch c := at(b, i); {
		case c == ']' && first:
			i++
			level--
		case c == '[':
			i++
			level++
			first = true
			continue
		default:
			scalars = scalars || c != '{'
			if i = m.element(id, i, depth-level+1); i < 0 {
				return invalid
			}
		}
		first = false
		for level > 0 {
			i = space(b, i)
			if c := at(b, i); c == ',' {
				i++
				break
			} else if c != ']' {
				return invalid
			}
			i++
			level--
		}
	}
	m.closeArray(id, scalars)
	return i
}

// element reads an element that is no array.
func (m *matcher) element(id, i, depth int) int {
	switch {
	case m.over:
		return skipValue(m.document, i, depth)
	case at(m.document, i) != '{':
		i = m.oneOf(id, i, depth)
	case m.asksObject(id):
		i = m.object(id, i+1, depth-1, true)
	default:
		return skipValue(m.document, i, depth)
	}
	if m.stopped {
		return invalid
	}
	return i
}

// asksObject tells whether an object of an array can still change anything.
func (m *matcher) asksObject(id int) bool {
	for _, g := range m.plan.nodes[id].groups {
		if m.decided[m.plan.groups[g].item] != m.nodes[id].value {
			return true
		}
	}
	return false
}

// oneOf reads an element that is neither an object nor an array.
func (m *matcher) oneOf(id, i, depth int) int {
	var v value
	next := 0
	for _, l := range m.plan.nodes[id].leaves {
		leaf := &m.plan.leaves[l]
		if m.decided[leaf.item] == m.nodes[id].value {
			continue
		}
		if next == 0 {
			if v, next = m.scalar(i); next < 0 {
				return invalid
			}
		}
		if leaf.passes(v) {
			m.decide(leaf.item, id, true)
		}
	}
	if next == 0 {
		return skipValue(m.document, i, depth)
	}
	return next
}

// scalar reads a string, a number or a literal.
func (m *matcher) scalar(i int) (v value, end int) {
	b := m.document
	switch c := at(b, i); c {
	case '"':
		end, escaped := stringEnd(b, i+1)
		if end < 0 {
			return v, invalid
		}
		text := b[i+1 : end]
		if escaped {
			m.scratch = unescape(m.scratch[:0], text)
			text = m.scratch
		}
		return value{kind: stringKind, text: text}, end + 1
	case 't', 'f', 'n':
		return literalValue(c), skipScalar(b, i)
	default:
		if end = skipNumber(b, i); end < 0 {
			return v, invalid
		}
		return numberValue(b[i:end]), end
	}
}
