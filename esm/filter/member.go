package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Member is a member that records have, all of them or some.
type Member struct {
	// Name of the member. The empty name stands for all that have no Member of
	// their own beside it, where the sender chooses the names.
	Name string
	// Kind of its value.
	Kind Kind
	// Members of an Object, all that there may be.
	Members []Member
}

// Kind is what the value of a member is, in each record that has it.
type Kind int

// The kinds of values.
const (
	Anything Kind = iota // or what differs from record to record
	Text
	Number
	Object
)

func (k Kind) noun() string {
	switch k {
	case Text:
		return "a text"
	case Number:
		return "a number"
	case Object:
		return "an object"
	default:
		return "anything"
	}
}

// MemberError says why no record of the source can match what is a pattern
// otherwise.
type MemberError struct {
	// Problem is what the pattern asks for, and what there is.
	Problem string
}

// Error gives the problem.
func (e *MemberError) Error() string { return e.Problem }

// below is the member of a name in the value of m, if there can be one.
func (m *Member) below(name string) (*Member, bool) {
	switch m.Kind {
	case Anything:
		return &Member{}, true
	case Object:
		for _, key := range []string{name, ""} {
			if i := slices.IndexFunc(m.Members, func(below Member) bool { return below.Name == key }); i >= 0 {
				return &m.Members[i], true
			}
		}
	case Text, Number:
	}
	return nil, false
}

// lacks is what is wrong with a name that has no member below m.
func (m *Member) lacks() error {
	const none = "records of this source have no such member"
	if m.Kind == Object {
		return &MemberError{none + m.names(", only ")}
	}
	return &MemberError{none + ", " + m.Kind.noun() + " has none"}
}

// names lists the members of m after a lead, and is empty where the sender names them.
func (m *Member) names(lead string) string {
	var names []string
	for i := range m.Members {
		if name := m.Members[i].Name; name != "" {
			names = append(names, name)
		}
	}
	if names == nil {
		return ""
	}
	slices.Sort(names)
	return lead + strings.Join(names, ", ")
}

// fails is why no value of m passes a condition, nor its absence; nil if one
// may. An object is no value (FILT-44).
func (m *Member) fails(c *condition) error {
	if m.Kind == Anything || c.absent {
		return nil
	}
	var asked []string
	for i := range c.tests {
		one := c.tests[i].asks()
		if m.Kind != Object && (one == Anything.noun() || one == m.Kind.noun()) {
			return nil
		}
		if !slices.Contains(asked, one) {
			asked = append(asked, one)
		}
	}
	if m.Kind == Object {
		return &MemberError{"is an object, the pattern must name members of it" + m.names(": ")}
	}
	return &MemberError{fmt.Sprintf("is %s, the pattern asks for %s", m.Kind.noun(), strings.Join(asked, " or "))}
}

// asks is what a value must be to pass the test.
func (t *test) asks() string {
	switch t.operator {
	case isPresent, isNot:
		return Anything.noun()
	case isLiteral:
		return map[kind]string{nullKind: "null", trueKind: "true", falseKind: "false"}[t.literal]
	case isNumber, isInRange:
		return Number.noun()
	default:
		return Text.noun()
	}
}
