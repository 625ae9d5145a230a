package filter

import (
	"maps"
	"slices"
	"strconv"
)

// plan is what all patterns ask for, as one tree of field names, so that a
// document is read once for all of them.
//
// Every pattern was taken apart into combinations without $or. Each of them is
// a rule: the rule holds if all its conditions do, and a record passes if a
// rule holds. At each node the members that a rule asks for make a group; a
// group holds for an object if all its items do. So two fields below one node
// must come from one and the same object, also where a document has an array
// of objects (FILT-45).
type plan struct {
	nodes  []node
	leaves []leaf
	groups []group
	items  []item
	rules  []rule
}

// The two trees: that of the metadata, and that of the body.
const (
	metadataNode = iota
	bodyNode
)

// none is no group and no leaf.
const none = -1

// node is a field, by its path.
type node struct {
	parent int
	// kids are the fields below. lengths has a bit for each length of their
	// names; index finds them where they are many.
	kids    []kid
	lengths uint64
	index   map[string]int
	leaves  []int
	groups  []int
	// askers are the groups of the node above that have an item here.
	askers []int
}

type kid struct {
	name string
	node int
}

// leaf is a condition for a field's value.
type leaf struct {
	*condition
	item int
}

// group is what a rule asks of the members of one object: all of its items.
type group struct {
	node int
	item int
	// size is how many items there are, and missing how many of them do not
	// hold where their field is absent.
	size, missing int
}

// item is a leaf or a group, as a part of the groups of the node above.
type item struct {
	node   int
	groups []int
	// absent: it holds where its field is absent.
	absent bool
}

// rule is one way for a record to pass: everything in it must hold.
type rule struct {
	metadata int // a group of the metadata, or none
	body     int // a group of the body as JSON, or none
	text     int // a leaf for the body as text, or none
}

// fewKids is up to how many names are compared one by one.
const fewKids = 8

// find returns the field below with a name, or none.
func (n *node) find(name []byte) int {
	if n.lengths&lengthBit(len(name)) == 0 {
		return none
	}
	if n.index != nil {
		if id, ok := n.index[string(name)]; ok {
			return id
		}
		return none
	}
	for i := range n.kids {
		if n.kids[i].name == string(name) {
			return n.kids[i].node
		}
	}
	return none
}

func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// addKid makes the field of a name below a node.
func (p *plan) addKid(parent int, name string) int {
	id := len(p.nodes)
	p.nodes = append(p.nodes, node{parent: parent})
	n := &p.nodes[parent]
	n.kids = append(n.kids, kid{name, id})
	n.lengths |= lengthBit(len(name))
	if len(n.kids) > fewKids {
		if n.index == nil {
			n.index = make(map[string]int)
		}
		for _, k := range n.kids {
			n.index[k.name] = k.node
		}
	}
	return id
}

func (p *plan) addLeaf(at int, c *condition) int {
	id := len(p.leaves)
	p.leaves = append(p.leaves, leaf{condition: c, item: len(p.items)})
	p.items = append(p.items, item{node: at, absent: c.absent})
	p.nodes[at].leaves = append(p.nodes[at].leaves, id)
	return id
}

// addGroup makes the group of some items below a node.
func (p *plan) addGroup(at int, items []int) int {
	id := len(p.groups)
	g := group{node: at, item: len(p.items), size: len(items)}
	for _, i := range items {
		p.items[i].groups = append(p.items[i].groups, id)
		n := &p.nodes[p.items[i].node]
		if k := len(n.askers); k == 0 || n.askers[k-1] != id {
			n.askers = append(n.askers, id)
		}
		if !p.items[i].absent {
			g.missing++
		}
	}
	p.groups = append(p.groups, g)
	p.items = append(p.items, item{node: at, absent: g.missing == 0})
	p.nodes[at].groups = append(p.nodes[at].groups, id)
	return id
}

// combination is a pattern without $or: the leaf of each of its nodes.
type combination map[int]int

// joiner turns combinations into rules. Equal groups and rules are made once.
type joiner struct {
	plan   *plan
	groups map[string]int
	rules  map[rule]bool
}

func newJoiner(p *plan) *joiner {
	return &joiner{plan: p, groups: make(map[string]int), rules: make(map[rule]bool)}
}

func (j *joiner) add(c combination) {
	way := rule{metadata: none, body: none, text: none}
	below := make(map[int][]int) // the items right below each node
	for at, id := range c {
		if at == bodyNode {
			way.text = id
			continue
		}
		above := j.plan.nodes[at].parent
		below[above] = append(below[above], j.plan.leaves[id].item)
		for above > bodyNode {
			above = j.plan.nodes[above].parent
			if _, known := below[above]; !known {
				below[above] = nil
			}
		}
	}
	ids := slices.Sorted(maps.Keys(below))
	for _, at := range slices.Backward(ids) { // a node comes after the one above it
		g := j.group(at, below[at])
		switch at {
		case metadataNode:
			way.metadata = g
		case bodyNode:
			way.body = g
		default:
			above := j.plan.nodes[at].parent
			below[above] = append(below[above], j.plan.groups[g].item)
		}
	}
	if !j.rules[way] {
		j.rules[way] = true
		j.plan.rules = append(j.plan.rules, way)
	}
}

// group finds or makes the group of some items below a node.
func (j *joiner) group(at int, items []int) int {
	slices.Sort(items)
	key := strconv.AppendInt(nil, int64(at), 10)
	for _, i := range items {
		key = strconv.AppendInt(append(key, ' '), int64(i), 10)
	}
	if g, ok := j.groups[string(key)]; ok {
		return g
	}
	g := j.plan.addGroup(at, items)
	j.groups[string(key)] = g
	return g
}
