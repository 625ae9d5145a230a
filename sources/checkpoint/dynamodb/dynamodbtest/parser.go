package dynamodbtest

import (
	"regexp"
	"strconv"
	"strings"
)

// parser reads the expressions of one request, and remembers which placeholders
// they used.
type parser struct {
	names  map[string]string
	values map[string]value
	used   map[string]bool
	rest   []string // tokens to come
	err    error    // the first one
}

func newParser(names map[string]string, values map[string]value) *parser {
	return &parser{names: names, values: values, used: make(map[string]bool)}
}

// condition reports whether a condition holds for an item, nil for none. No
// condition holds always.
func (p *parser) condition(text string, i item) (bool, error) {
	if text == "" {
		return true, nil
	}
	p.start(text)
	holds := p.or(i)
	return holds, p.end()
}

func (p *parser) or(i item) bool {
	holds := p.and(i)
	for p.accept("OR") {
		right := p.and(i) // is parsed whatever holds
		holds = holds || right
	}
	return holds
}

func (p *parser) and(i item) bool {
	holds := p.term(i)
	for p.accept("AND") {
		right := p.term(i)
		holds = holds && right
	}
	return holds
}

func (p *parser) term(i item) bool {
	if p.accept("(") {
		holds := p.or(i)
		p.expect(")")
		return holds
	}
	for function, want := range map[string]bool{"attribute_exists": true, "attribute_not_exists": false} {
		if p.accept(function) {
			p.expect("(")
			_, exists := i[p.name()]
			p.expect(")")
			return exists == want
		}
	}
	stored, exists := i[p.name()]
	p.expect("=")
	return p.value().equal(stored) && exists
}

// update does what an update expression says to an item.
func (p *parser) update(text string, i item, key string) error {
	p.start(text)
	touched := make(map[string]bool)
	path := func() string {
		name := p.name()
		if touched[name] || name == key {
			p.fail("Two document paths overlap with each other, or one is part of the key: " + name)
		}
		touched[name] = true
		return name
	}
	for p.err == nil && len(p.rest) > 0 {
		switch clause := p.next(); clause {
		case "SET":
			p.list(func() {
				name := path()
				p.expect("=")
				i[name] = p.value()
			})
		case "REMOVE":
			p.list(func() { delete(i, path()) })
		case "ADD":
			p.list(func() { p.add(i, path()) })
		default:
			p.fail("Syntax error; token: " + clause)
		}
	}
	return p.end()
}

// add adds a number to an attribute.
func (p *parser) add(i item, name string) {
	sum := int64(0)
	for _, v := range []value{i[name], p.value()} {
		if v == nil {
			continue
		}
		text, ok := v["N"].(string)
		n, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil {
			p.fail("An operand in the update expression has an incorrect data type")
		}
		sum += n
	}
	i[name] = value{"N": strconv.FormatInt(sum, 10)}
}

// list reads what each reads, once or more with commas between.
func (p *parser) list(each func()) {
	each()
	for p.accept(",") {
		each()
	}
}

// name reads a placeholder and returns the attribute that it stands for.
func (p *parser) name() string {
	token := p.next()
	name, ok := p.names[token]
	if !ok {
		p.fail("An expression attribute name used in the document path is not defined; attribute name: " + token)
	}
	p.used[token] = true
	return name
}

// value reads a placeholder and returns the value that it stands for.
func (p *parser) value() value {
	token := p.next()
	v, ok := p.values[token]
	if !ok {
		p.fail("An expression attribute value used in expression is not defined; attribute value: " + token)
	}
	p.used[token] = true
	return v
}

// start splits an expression into tokens.
func (p *parser) start(text string) {
	p.rest = regexp.MustCompile(`[#:]?\w+|\S`).FindAllString(text, -1)
	if len(p.rest) == 0 {
		p.fail("The expression can not be empty;")
	}
}

func (p *parser) next() string {
	if len(p.rest) == 0 {
		p.fail("Syntax error; token: <EOF>")
		return ""
	}
	token := p.rest[0]
	p.rest = p.rest[1:]
	return token
}

func (p *parser) accept(token string) bool {
	if len(p.rest) == 0 || p.rest[0] != token {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) expect(token string) {
	if got := p.next(); got != token {
		p.fail("Syntax error; token: " + got + ", want " + token)
	}
}

func (p *parser) fail(message string) {
	if p.err == nil {
		p.err = validation("Invalid expression: " + message)
	}
	p.rest = nil
}

// end is called behind an expression.
func (p *parser) end() error {
	if p.err == nil && len(p.rest) > 0 {
		p.fail("Syntax error; token: " + p.rest[0])
	}
	return p.err
}

// finish is called behind the last expression: every placeholder must be used.
func (p *parser) finish() error {
	var unused []string
	for name := range p.names {
		if !p.used[name] {
			unused = append(unused, name)
		}
	}
	for name := range p.values {
		if !p.used[name] {
			unused = append(unused, name)
		}
	}
	if len(unused) > 0 {
		return validation("Value provided in ExpressionAttributeNames or ExpressionAttributeValues unused in expressions: " +
			strings.Join(unused, ", "))
	}
	return nil
}
