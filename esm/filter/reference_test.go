package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The reference judges a record the slow and obvious way: it takes the record
// apart into fields, each with its path, its value and the elements of arrays
// that it lies in, and tries for every rule every choice of fields.

// reference is what the reference makes of one record. It shares only the
// reading of a pattern's text with the package.
type reference struct {
	body  Body
	rules []refRule
	// steps counts what the judging of records took.
	steps int
}

// refPatience is after how many steps the reference gives up.
const refPatience = 100_000

// refRule has the operators of each path.
type refRule map[string][]element

// refField is one value of a record.
type refField struct {
	path  string
	value any
	// in tells which element of which array the field lies in.
	in map[int]int
}

func newReference(patterns []string, body Body) (*reference, error) {
	r := &reference{body: body}
	for _, p := range patterns {
		e, err := parsePattern(p)
		if err != nil {
			return nil, err
		}
		r.rules = append(r.rules, refRules(&e, "", []refRule{{}})...)
	}
	return r, nil
}

func refPath(above, name string) string { return above + "/" + strconv.Quote(name) }

func refRules(e *element, path string, rules []refRule) []refRule {
	for _, m := range e.lastMembers() {
		at := refPath(path, m.name)
		switch {
		case isOr(&m):
			var all []refRule
			for i := range m.value.elements {
				var copied []refRule
				for _, r := range rules {
					copied = append(copied, maps.Clone(r))
				}
				all = append(all, refRules(&m.value.elements[i], path, copied)...)
			}
			rules = all
		case m.value.kind == '{':
			rules = refRules(&m.value, at, rules)
		default:
			for _, r := range rules {
				r[at] = m.value.elements
			}
		}
	}
	return rules
}

// match judges a record by the tables of FILT-72 to FILT-88.
func (r *reference) match(body []byte, metadata string) bool {
	if len(r.rules) == 0 {
		return true
	}
	var fields []refField
	arrays := 0
	if tree, err := refDecode([]byte(metadata)); err == nil {
		if object, ok := tree.(refObject); ok {
			kept := refObject{}
			for _, m := range object {
				if m.name != r.body.Key {
					kept = append(kept, m)
				}
			}
			fields = refFlatten(kept, "", nil, &arrays, fields)
		}
	}
	tree, err := refDecode(body)
	_, isObject := tree.(refObject)
	_, isArray := tree.([]any)
	json := err == nil && (isObject || isArray)
	text := !json && utf8.Valid(body)
	key := refPath("", r.body.Key)
	bodyFields := refFlatten(tree, key, nil, &arrays, nil)
	if !json {
		bodyFields = []refField{{path: key, value: string(body)}}
	}
	if body == nil {
		bodyFields = nil
	}
	for _, rule := range r.rules {
		rule = maps.Clone(rule)
		mismatch := false
		for path := range maps.Clone(rule) {
			isText := path == key
			isBody := isText || strings.HasPrefix(path, key+"/")
			if body != nil && isBody && (isText && !text || !isText && !json) {
				mismatch = true
				delete(rule, path)
			}
		}
		if mismatch && !r.body.KeepMismatch {
			continue
		}
		s := refSearch{rule: rule, fields: append(slices.Clone(fields), bodyFields...), steps: &r.steps}
		if s.matches(slices.Sorted(maps.Keys(rule)), nil) {
			return true
		}
	}
	return false
}

// refSearch looks for fields that satisfy a rule.
type refSearch struct {
	rule   refRule
	fields []refField
	steps  *int
}

// matches chooses a field, or absence, for each path in turn.
func (s *refSearch) matches(paths []string, chosen []refField) bool {
	if *s.steps++; *s.steps > refPatience {
		return false
	}
	if len(paths) == 0 {
		return s.absencesHold(chosen)
	}
	path, rest := paths[0], paths[1:]
	for _, f := range s.fields {
		if f.path == path && refAgrees(f, chosen) && refAny(s.rule[path], f.value) {
			if s.matches(rest, append(slices.Clone(chosen), f)) {
				return true
			}
		}
	}
	return refAny(s.rule[path], refAbsent{}) && s.matches(rest, append(slices.Clone(chosen), refField{path: path, value: refAbsent{}}))
}

// absencesHold tells whether there is no field, in the elements of arrays that
// the chosen fields lie in, of any path that was chosen to be absent.
func (s *refSearch) absencesHold(chosen []refField) bool {
	for _, c := range chosen {
		if c.value != (refAbsent{}) {
			continue
		}
		for _, f := range s.fields {
			if f.path == c.path && refAgrees(f, chosen) {
				return false
			}
		}
	}
	return true
}

// refAgrees tells whether a field lies in no other element of an array than
// the chosen ones.
func refAgrees(f refField, chosen []refField) bool {
	for _, c := range chosen {
		for array, i := range f.in {
			if k, ok := c.in[array]; ok && k != i {
				return false
			}
		}
	}
	return true
}

type refAbsent struct{}

func refAny(values []element, got any) bool {
	return slices.ContainsFunc(values, func(want element) bool { return refOne(&want, got) })
}

func refOne(want *element, got any) bool {
	if want.kind == '{' {
		return refOperator(want.members[0].name, &want.members[0].value, got)
	}
	if got == (refAbsent{}) {
		return false
	}
	if n, ok := want.scalar.(json.Number); ok {
		return refNumber(n, func(n float64) bool { g, ok := refFloat(got); return ok && g == n })
	}
	return want.scalar == got
}

func refNumber(n json.Number, f func(float64) bool) bool {
	v, err := n.Float64()
	return err == nil && f(v)
}

func refFloat(got any) (float64, bool) {
	n, ok := got.(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Float64()
	return v, err == nil
}

func refOperator(name string, operand *element, got any) bool {
	if name == "exists" {
		return operand.scalar == (got != refAbsent{})
	}
	if got == (refAbsent{}) {
		return false
	}
	if name == "anything-but" {
		if operand.kind == '{' {
			name = operand.members[0].name
			for _, e := range operand.members[0].value.list() {
				if refOperator(name, &e, got) {
					return false
				}
			}
			return true
		}
		return !refAny(operand.list(), got)
	}
	if name == "numeric" {
		g, ok := refFloat(got)
		for i := 0; i < len(operand.elements) && ok; i += 2 {
			n, err := operand.elements[i+1].scalar.(json.Number).Float64()
			ok = err == nil && map[any]bool{"=": g == n, "<": g < n, "<=": g <= n, ">": g > n, ">=": g >= n}[operand.elements[i].scalar]
		}
		return ok
	}
	text, ok := got.(string)
	return ok && refText(name, operand, text)
}

func refText(name string, operand *element, text string) bool {
	if operand.kind == '{' { // equals-ignore-case in prefix or suffix
		want := operand.members[0].value.scalar.(string)
		n := utf8.RuneCountInString(want)
		switch runes := []rune(text); {
		case len(runes) < n:
			return false
		case name == "prefix":
			return refFold(want, string(runes[:n]))
		default:
			return refFold(want, string(runes[len(runes)-n:]))
		}
	}
	want := operand.scalar.(string)
	switch name {
	case "prefix":
		return strings.HasPrefix(text, want)
	case "suffix":
		return strings.HasSuffix(text, want)
	case "equals-ignore-case":
		return refFold(want, text)
	case "exactly":
		return want == text
	case "wildcard":
		return refWildcard(want).MatchString(text)
	case "cidr":
		a, err := netip.ParseAddr(text)
		return err == nil && a.Zone() == "" && netip.MustParsePrefix(want).Contains(a)
	}
	panic("unknown operator " + name)
}

func refWildcard(want string) *regexp.Regexp {
	var expr strings.Builder
	for i := 0; i < len(want); i++ {
		switch want[i] {
		case '*':
			expr.WriteString(".*")
			continue
		case '\\':
			i++
		}
		_, size := utf8.DecodeRuneInString(want[i:])
		expr.WriteString(regexp.QuoteMeta(want[i : i+size]))
		i += size - 1
	}
	return regexp.MustCompile("(?s)^" + expr.String() + "$")
}

func refFold(want, got string) bool {
	w, g := []rune(want), []rune(got)
	if len(w) != len(g) {
		return false
	}
	for i := range w {
		if g[i] != w[i] && g[i] != unicode.ToLower(w[i]) && g[i] != unicode.ToUpper(w[i]) {
			return false
		}
	}
	return true
}

// refObject has the first of several members with one name.
type refObject []refMember

type refMember struct {
	name  string
	value any
}

// refDecode reads JSON with encoding/json.
func refDecode(b []byte) (any, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return refElement(d)
}

func refElement(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := refObject{}
		for d.More() {
			name, _ := d.Token()
			v, err := refElement(d)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(object, func(m refMember) bool { return m.name == name }) {
				object = append(object, refMember{name.(string), v})
			}
		}
		_, err = d.Token()
		return object, err
	case json.Delim('['):
		array := []any{}
		for d.More() {
			v, err := refElement(d)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		_, err = d.Token()
		return array, err
	}
	return token, nil
}

// refFlatten lists the values of a tree. A value in an array that is no object does
// not lie in one of its elements: it is a value of the field itself. Arrays in an array
// are as one. (RULER counts a value of the inner array to that element of the outer one,
// which can be told only by a rule that asks a field for a value and for a field below.)
func refFlatten(tree any, path string, in map[int]int, arrays *int, fields []refField) []refField {
	switch v := tree.(type) {
	case refObject:
		for _, m := range v {
			fields = refFlatten(m.value, refPath(path, m.name), in, arrays, fields)
		}
	case []any:
		*arrays++
		array := *arrays
		for i, e := range refOneArray(v) {
			switch e.(type) {
			case refObject:
				inside := maps.Clone(in)
				if inside == nil {
					inside = map[int]int{}
				}
				inside[array] = i
				fields = refFlatten(e, path, inside, arrays, fields)
			default:
				fields = append(fields, refField{path: path, value: e, in: in})
			}
		}
	default:
		fields = append(fields, refField{path: path, value: v, in: in})
	}
	return fields
}

// refOneArray lists the elements of an array and of those in it.
func refOneArray(array []any) []any {
	var elements []any
	for _, e := range array {
		if inner, ok := e.([]any); ok {
			elements = append(elements, refOneArray(inner)...)
		} else {
			elements = append(elements, e)
		}
	}
	return elements
}
