package filter

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxCombinations is into how many combinations the $or of one pattern may
// multiply (FILT-34).
const maxCombinations = 1000

// compiler adds patterns to a plan.
type compiler struct {
	parser

	body Body
	plan *plan
	// kids are the fields made so far, by the node above and their name.
	kids map[kid]int
	// failing are the leaves that no record passes, and why.
	failing map[int]error
	path    []string
}

// pattern adds one pattern and returns its combinations.
func (c *compiler) pattern(text string) ([]combination, error) {
	e, err := parsePattern(text)
	if err != nil {
		return nil, err
	}
	c.path = c.path[:0]
	record := c.body.record()
	all, err := c.object(metadataNode, &record, &e, []combination{{}})
	if err != nil {
		return nil, err
	}
	return all, c.matchable(all)
}

// matchable requires that a record can match one of the combinations.
func (c *compiler) matchable(all []combination) error {
	var first error
	for _, one := range all {
		leaves := slices.Sorted(maps.Values(one))
		i := slices.IndexFunc(leaves, func(id int) bool { return c.failing[id] != nil })
		if i < 0 {
			return nil
		}
		first = cmp.Or(first, c.failing[leaves[i]])
	}
	return first
}

// object adds what an object of a pattern asks of the fields below a node, which
// is member of, to each of the combinations so far.
func (c *compiler) object(at int, of *Member, e *element, sofar []combination) ([]combination, error) {
	if len(e.members) == 0 {
		return nil, c.fail(errors.New("an empty object matches nothing"))
	}
	for _, m := range e.lastMembers() {
		c.path = append(c.path, m.name)
		var err error
		below, ok := of.below(m.name)
		switch {
		case isOr(&m):
			sofar, err = c.or(at, of, m.value.elements, sofar)
		case !ok:
			err = c.fail(of.lacks())
		case m.value.kind == '{':
			sofar, err = c.object(c.kid(at, m.name), below, &m.value, sofar)
		case m.value.kind == '[':
			err = c.leaf(c.kid(at, m.name), below, m.value.elements, sofar)
		default:
			err = c.fail(errors.New("must be an array or an object"))
		}
		if err != nil {
			return nil, err
		}
		c.path = c.path[:len(c.path)-1]
	}
	return sofar, nil
}

// or multiplies the combinations so far by the alternatives.
func (c *compiler) or(at int, of *Member, alternatives []element, sofar []combination) ([]combination, error) {
	var all []combination
	for i := range alternatives {
		more := make([]combination, len(sofar))
		for k := range sofar {
			more[k] = maps.Clone(sofar[k])
		}
		more, err := c.object(at, of, &alternatives[i], more)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > maxCombinations {
			return nil, c.fail(fmt.Errorf("more than %d combinations", maxCombinations))
		}
	}
	return all, nil
}

// leaf adds a condition. Where a combination has one for the field already,
// outside of $or, the later one counts, as with a repeated key (FILT-07).
func (c *compiler) leaf(at int, of *Member, values []element, sofar []combination) error {
	if at == bodyNode && !c.body.Text {
		return c.fail(errors.New("must be an object: this source is filtered by JSON only"))
	}
	condition, err := c.condition(values)
	if err != nil {
		return c.fail(err)
	}
	id := c.plan.addLeaf(at, condition)
	if err := of.fails(condition); err != nil {
		c.failing[id] = c.fail(err)
	}
	for _, s := range sofar {
		s[at] = id
	}
	return nil
}

// kid is the node of a field below another one.
func (c *compiler) kid(above int, name string) int {
	if above == metadataNode && name == c.body.Key {
		return bodyNode
	}
	key := kid{name, above}
	id, ok := c.kids[key]
	if !ok {
		id = c.plan.addKid(above, name)
		c.kids[key] = id
	}
	return id
}

func (c *compiler) fail(err error) error {
	if len(c.path) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(c.path, "."), err)
}

// isOr tells whether a member is alternatives and not a field of that name:
// two objects or more without the name of an operator as a key (FILT-34).
func isOr(m *member) bool {
	if m.name != "$or" || m.value.kind != '[' || len(m.value.elements) < 2 {
		return false
	}
	return !slices.ContainsFunc(m.value.elements, func(e element) bool {
		return e.kind != '{' || slices.ContainsFunc(e.members, func(m member) bool { return isReserved(m.name) })
	})
}

// isReserved tells whether a name is an operator's, or kept for one.
func isReserved(name string) bool {
	switch name {
	case "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
		"=", "<", "<=", ">", ">=", "regex", "html", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range":
		return true
	default:
		return false
	}
}
