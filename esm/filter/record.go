package filter

import "unicode/utf8"

// form is what a body is.
type form int

const (
	isJSON form = iota
	isText
	isBinary // neither, as it is not UTF-8
)

// record reports whether a rule holds for a record.
func (m *matcher) record(kind *Body, body []byte, metadata func(dst []byte) []byte) bool {
	m.readMetadata(metadata)
	json, text := false, false // which forms are still asked for
	m.open = m.open[:0]
	for i := range m.plan.rules {
		r := &m.plan.rules[i]
		switch {
		case r.metadata != none && !m.holds(r.metadata):
			continue
		case r.body == none && r.text == none:
			return true
		}
		json = json || r.body != none
		text = text || r.text != none
		m.open = append(m.open, i)
	}
	switch {
	case len(m.open) == 0:
		return false
	case body == nil:
		return m.withoutBody()
	case json && text:
		return m.eitherForm(kind, body)
	case json:
		return m.jsonOnly(kind, body)
	default:
		return m.textOnly(kind, body)
	}
}

// withoutBody judges a record that has no body: its member is absent.
func (m *matcher) withoutBody() bool {
	for _, i := range m.open {
		r := &m.plan.rules[i]
		if (r.body == none || m.plan.groups[r.body].missing == 0) && (r.text == none || m.plan.leaves[r.text].absent) {
			return true
		}
	}
	return false
}

// jsonOnly judges a body by patterns for JSON. No more of it is read than is
// needed: where a mismatch is kept, a match is final whatever follows; where
// it is dropped, a failure is. Otherwise the rest is read to learn whether the
// body is JSON at all.
func (m *matcher) jsonOnly(kind *Body, body []byte) bool {
	if !nests(body) {
		return kind.KeepMismatch
	}
	m.stopAtMatch, m.stopAtFailure = kind.KeepMismatch, !kind.KeepMismatch
	whole := m.readBody(body, false)
	switch {
	case m.stopped:
		return m.matched
	case !whole, m.matched != kind.KeepMismatch && !utf8.Valid(body):
		return kind.KeepMismatch
	default:
		return m.matched
	}
}

// textOnly judges a body by patterns for text. The text comes first: it may
// leave nothing to ask.
func (m *matcher) textOnly(kind *Body, body []byte) bool {
	matched := m.matchesText(body)
	if matched == kind.KeepMismatch {
		return matched
	}
	if nests(body) && valid(body) || !utf8.Valid(body) {
		return kind.KeepMismatch
	}
	return matched
}

// eitherForm judges a body by patterns for both forms.
func (m *matcher) eitherForm(kind *Body, body []byte) bool {
	is := isText
	switch {
	case !utf8.Valid(body):
		is = isBinary
	case nests(body) && m.readBody(body, true):
		is = isJSON
	}
	v := value{kind: stringKind, text: body}
	for _, i := range m.open {
		r := &m.plan.rules[i]
		json, text := kind.KeepMismatch, kind.KeepMismatch
		if is == isJSON && r.body != none {
			json = m.holds(r.body)
		}
		if is == isText && r.text != none {
			text = m.plan.leaves[r.text].passes(v)
		}
		if (r.body == none || json) && (r.text == none || text) {
			return true
		}
	}
	return false
}

// matchesText tells whether the body passes an open rule as text.
func (m *matcher) matchesText(body []byte) bool {
	v := value{kind: stringKind, text: body}
	for _, i := range m.open {
		if m.plan.leaves[m.plan.rules[i].text].passes(v) {
			return true
		}
	}
	return false
}
