package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
)

// anythingBut reads what a value must not be: a string, a number, a list of
// either (FILT-28), or an object with an operator (FILT-36).
func (p *parser) anythingBut(operand *element) (test, error) {
	name, values := "exactly", []element{*operand}
	switch operand.kind {
	case '[':
		values = operand.elements
	case '{':
		if len(operand.members) != 1 {
			return test{}, fmt.Errorf("an operator object has one member, this one has %d", len(operand.members))
		}
		name = operand.members[0].name
		switch name {
		case "prefix", "suffix", "equals-ignore-case", "wildcard":
		default:
			return test{}, fmt.Errorf("takes no operator %q", name)
		}
		if err := p.extension(); err != nil {
			return test{}, fmt.Errorf("%s: %w", name, err)
		}
		values = operand.members[0].value.list()
	}
	but, err := butTest(name, values)
	return test{operator: isNot, but: []test{but}}, err
}

// list is the elements of an array, or the value itself.
func (e *element) list() []element {
	if e.kind == '[' {
		return e.elements
	}
	return []element{*e}
}

var errMixed = errors.New("must be strings or numbers, at least one, and not both")

func butTest(name string, values []element) (test, error) {
	var texts []string
	var numbers []float64
	for i := range values {
		switch scalar := values[i].scalar.(type) {
		case string:
			if scalar == "" && (name == "prefix" || name == "suffix") {
				return test{}, fmt.Errorf("%s: must not be empty", name)
			}
			texts = append(texts, scalar)
		case json.Number:
			n, err := number(&values[i])
			if err != nil {
				return test{}, err
			}
			numbers = append(numbers, n)
		default:
			return test{}, errMixed
		}
	}
	switch {
	case name != "exactly" && (numbers != nil || texts == nil):
		return test{}, fmt.Errorf("%s: must be a string or a list of strings", name)
	case (texts == nil) == (numbers == nil):
		return test{}, errMixed
	case texts == nil:
		return numberTest(numbers), nil
	}
	return textsOperator(name, texts)
}

// numeric reads one or two terms, the lower bound first (FILT-30).
func numeric(operand *element) (test, error) {
	terms := operand.elements
	if operand.kind != '[' || len(terms) != 2 && len(terms) != 4 {
		return test{}, errors.New("must be an array of one or two terms, such as [\">\", 0, \"<=\", 5]")
	}
	var signs []string
	var numbers []float64
	for i := 0; i < len(terms); i += 2 {
		sign, _ := terms[i].scalar.(string)
		n, err := number(&terms[i+1])
		if err != nil {
			return test{}, err
		}
		signs, numbers = append(signs, sign), append(numbers, n)
	}
	if signs[0] == "=" && len(signs) == 1 {
		return numberTest(numbers), nil
	}
	b := bounds{low: math.Inf(-1), high: math.Inf(1)}
	switch signs[0] {
	case ">", ">=":
		b.low, b.openLow = numbers[0], signs[0] == ">"
	case "<", "<=":
		b.high, b.openHigh = numbers[0], signs[0] == "<"
	default:
		return test{}, fmt.Errorf("takes no operator %q here", signs[0])
	}
	if len(signs) == 1 {
		return test{operator: isInRange, bounds: b}, nil
	}
	if !math.IsInf(b.high, 1) || signs[1] != "<" && signs[1] != "<=" {
		return test{}, fmt.Errorf("two terms are a lower bound and an upper one, not %q and %q", signs[0], signs[1])
	}
	b.high, b.openHigh = numbers[1], signs[1] == "<"
	if b.low >= b.high {
		return test{}, fmt.Errorf("the lower bound %v must be less than the upper one %v", b.low, b.high)
	}
	return test{operator: isInRange, bounds: b}, nil
}

// number is the value of a number; a double must hold it (FILT-42).
func number(v *element) (float64, error) {
	text, ok := v.scalar.(json.Number)
	if !ok {
		return 0, errors.New("must have a number here")
	}
	n, err := strconv.ParseFloat(text.String(), 64)
	if err != nil {
		return 0, fmt.Errorf("the number %.20s is out of range", text)
	}
	return n, nil
}

func cidr(operand *element) (test, error) {
	text, ok := operand.scalar.(string)
	if !ok {
		return test{}, errors.New("must be a string")
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return test{}, errors.New("must be an address and a length, such as 10.0.0.0/24")
	}
	return test{operator: isAddress, prefix: prefix}, nil
}

// literalKind is the kind of true, false and null.
func literalKind(scalar any) kind {
	switch scalar {
	case true:
		return trueKind
	case false:
		return falseKind
	default:
		return nullKind
	}
}
