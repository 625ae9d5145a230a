package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
		c.tests = append(c.tests, numberTest(numbers))
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

// numberTest is equality of numbers by value: 300, 300.0 and 3.0e2 are one
// number (FILT-40).
func numberTest(numbers []float64) test {
	slices.Sort(numbers)
	return test{operator: isNumber, numbers: numbers}
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
