package filter

import (
	"bytes"
	"net/netip"
	"slices"
)

// condition is one array of a pattern: what the value of one field must be.
// A value passes if one of the tests says so (FILT-21).
type condition struct {
	tests []test
	// absent lets the field be missing (FILT-31).
	absent bool
}

func (c *condition) passes(v value) bool {
	for i := range c.tests {
		if c.tests[i].passes(v) {
			return true
		}
	}
	return false
}

type operator uint8

const (
	isPresent operator = iota
	isLiteral
	isString
	isNumber
	isInRange
	isStringFolded
	hasPrefix
	hasPrefixFolded
	hasSuffix
	hasSuffixFolded
	isWildcard
	isAddress
	isNot
)

// test is one operator with its operands, of which one will do.
type test struct {
	operator operator
	literal  kind
	texts    []string
	set      map[string]struct{} // of texts, where they are many
	folded   []folded
	numbers  []float64 // in order
	bounds   bounds
	wild     []wildcard
	prefix   netip.Prefix
	but      []test
}

// passes tells whether the test lets a value pass. A value of another type
// than the test asks for never passes, but for anything-but.
func (t *test) passes(v value) bool {
	switch t.operator {
	case isPresent:
		return true
	case isLiteral:
		return v.kind == t.literal
	case isNot:
		for i := range t.but {
			if t.but[i].passes(v) {
				return false
			}
		}
		return true
	case isNumber:
		return v.kind == numberKind && v.inRange && t.equalsNumber(v.number)
	case isInRange:
		return v.kind == numberKind && v.inRange && t.bounds.hold(v.number)
	default:
		return v.kind == stringKind && t.passesString(v.text)
	}
}

func (t *test) passesString(text []byte) bool {
	switch t.operator {
	case isString:
		return t.equals(text)
	case hasPrefix:
		return slices.ContainsFunc(t.texts, func(s string) bool {
			return len(text) >= len(s) && string(text[:len(s)]) == s
		})
	case hasSuffix:
		return slices.ContainsFunc(t.texts, func(s string) bool {
			return len(text) >= len(s) && string(text[len(text)-len(s):]) == s
		})
	case isStringFolded:
		return slices.ContainsFunc(t.folded, func(f folded) bool { return f.equals(text) })
	case hasPrefixFolded:
		return slices.ContainsFunc(t.folded, func(f folded) bool { return f.begins(text) })
	case hasSuffixFolded:
		return slices.ContainsFunc(t.folded, func(f folded) bool { return f.ends(text) })
	case isWildcard:
		return slices.ContainsFunc(t.wild, func(w wildcard) bool { return w.matches(text) })
	case isAddress:
		return t.contains(text)
	default:
		return false
	}
}

// fewTexts is up to how many texts are compared one by one.
const fewTexts = 8

func (t *test) equals(text []byte) bool {
	if t.set != nil {
		_, ok := t.set[string(text)]
		return ok
	}
	return slices.Contains(t.texts, view(text))
}

func (t *test) equalsNumber(n float64) bool {
	_, found := slices.BinarySearch(t.numbers, n)
	return found
}

// longestAddress is the longest text of an address without a zone.
const longestAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// contains tells whether the text is an address in the range. What cannot be
// one goes no further, for an error of the parser is an allocation.
func (t *test) contains(text []byte) bool {
	if len(text) > longestAddress || !bytes.ContainsAny(text, ".:") {
		return false
	}
	for _, c := range text {
		if unhex(c) < 0 && c != '.' && c != ':' { // a zone, for one
			return false
		}
	}
	address, err := netip.ParseAddr(view(text))
	return err == nil && t.prefix.Contains(address)
}

// bounds are the terms of a numeric operator; a missing one is infinite.
type bounds struct {
	low, high         float64
	openLow, openHigh bool
}

func (b *bounds) hold(n float64) bool {
	return (n > b.low || n == b.low && !b.openLow) && (n < b.high || n == b.high && !b.openHigh)
}
