package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
)

// parser reads the conditions of a pattern.
type parser struct {
	// extensions allows operators that AWS Lambda does not list.
	extensions bool
}

// condition reads the array of a field.
func (p *parser) condition(values []element) (*condition, error) {
	if len(values) == 0 {
		return nil, errors.New("an empty array matches nothing")
	}
	c := &condition{}
	var texts []string
	var numbers []float64
	for i := range values {
		v := &values[i]
		switch scalar := v.scalar.(type) {
		case string:
			texts = append(texts, scalar)
		case json.Number:
			n, err := number(v)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, n)
		default:
			if err := p.other(c, v); err != nil {
				return nil, err
			}
		}
	}
	if texts != nil {
		c.tests = append(c.tests, textTest(texts))
	}
	if numbers != nil {
		c.tests = append(c.tests, test{operator: isNumber, numbers: numbers})
	}
	return c, nil
}

// other adds what is neither a string nor a number to a condition.
func (p *parser) other(c *condition, v *element) error {
	switch {
	case v.kind == '[':
		return errors.New("an array in an array is not allowed")
	case v.kind != '{':
		c.tests = append(c.tests, test{operator: isLiteral, literal: literalKind(v.scalar)})
		return nil
	case len(v.members) != 1:
		return fmt.Errorf("an operator object has one member, this one has %d", len(v.members))
	}
	name, operand := v.members[0].name, &v.members[0].value
	if name == "exists" {
		exists, ok := operand.scalar.(bool)
		switch {
		case !ok:
			return errors.New("exists: must be true or false")
		case exists:
			c.tests = append(c.tests, test{operator: isPresent})
		default:
			c.absent = true
		}
		return nil
	}
	t, err := p.operator(name, operand)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.tests = append(c.tests, t)
	return nil
}

// operator reads any operator but exists.
func (p *parser) operator(name string, operand *element) (test, error) {
	switch name {
	case "prefix", "suffix":
		if operand.kind == '{' {
			return p.foldedEnd(name, operand)
		}
		return textOperator(name, operand)
	case "equals-ignore-case":
		return textOperator(name, operand)
	case "anything-but":
		return p.anythingBut(operand)
	case "numeric":
		return numeric(operand)
	case "exactly", "wildcard":
		if err := p.extension(); err != nil {
			return test{}, err
		}
		return textOperator(name, operand)
	case "cidr":
		if err := p.extension(); err != nil {
			return test{}, err
		}
		return cidr(operand)
	default:
		return test{}, errors.New("is no operator")
	}
}

func (p *parser) extension() error {
	if p.extensions {
		return nil
	}
	return errors.New("is not among AWS Lambda's operators; the option Extensions allows it")
}

// foldedEnd reads a prefix or suffix of the form {"equals-ignore-case": "x"}.
func (p *parser) foldedEnd(name string, operand *element) (test, error) {
	if len(operand.members) != 1 || operand.members[0].name != "equals-ignore-case" {
		return test{}, errors.New("must be a string or an object with equals-ignore-case alone")
	}
	if err := p.extension(); err != nil {
		return test{}, fmt.Errorf("equals-ignore-case: %w", err)
	}
	return textOperator(name+"-equals-ignore-case", &operand.members[0].value)
}

// textOperator reads an operator that takes one string.
func textOperator(name string, operand *element) (test, error) {
	text, ok := operand.scalar.(string)
	if !ok {
		return test{}, errors.New("must be a string")
	}
	return textsOperator(name, []string{text})
}

// textsOperator makes an operator of one or more strings.
func textsOperator(name string, texts []string) (test, error) {
	switch name {
	case "prefix":
		return test{operator: hasPrefix, texts: texts}, nil
	case "suffix":
		return test{operator: hasSuffix, texts: texts}, nil
	case "equals-ignore-case":
		return foldedTest(isStringFolded, texts), nil
	case "prefix-equals-ignore-case":
		return foldedTest(hasPrefixFolded, texts), nil
	case "suffix-equals-ignore-case":
		return foldedTest(hasSuffixFolded, texts), nil
	case "wildcard":
		return wildcardTest(texts)
	default:
		return textTest(texts), nil
	}
}

func textTest(texts []string) test {
	t := test{operator: isString, texts: texts}
	if len(texts) > fewTexts {
		t.set = make(map[string]struct{}, len(texts))
		for _, s := range texts {
			t.set[s] = struct{}{}
		}
	}
	return t
}

func foldedTest(o operator, texts []string) test {
	t := test{operator: o}
	for _, s := range texts {
		t.folded = append(t.folded, fold(s))
	}
	return t
}

func wildcardTest(texts []string) (test, error) {
	t := test{operator: isWildcard}
	for _, s := range texts {
		w, err := newWildcard(s)
		if err != nil {
			return test{}, err
		}
		t.wild = append(t.wild, w)
	}
	return t, nil
}

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
		return test{operator: isNumber, numbers: numbers}, nil
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
		return test{operator: isNumber, numbers: numbers}, nil
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
