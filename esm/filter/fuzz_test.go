package filter

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// chooser makes patterns and documents of a random source, from few names and
// values so that they meet.
type chooser struct{ *rand.Rand }

func (c chooser) pick(list ...string) string { return list[c.IntN(len(list))] }

func (c chooser) name() string {
	return c.pick("a", "b", "c", "d", `\u0061`, "eventSource", "a name of more than sixty-three characters, which is quite long, yes")
}

func (c chooser) scalar() string {
	return c.pick("1", "2", "1.0", "10e-1", "-0", "0", "1e999", "9007199254740993", "9007199254740992", "true", "false", "null",
		`""`, `"x"`, `"X"`, `"xy"`, `"\u0078"`, `"yx"`, `"é"`, `"É"`, `"K"`, `"\u212a"`, `"k"`, `"10.0.0.1"`, `"::1"`, `"1"`, `"a\\b*"`, `"\ud83d\ude00"`, `"\ud83d"`)
}

func (c chooser) document(depth int) string {
	switch n := c.IntN(12); {
	case n < 5 && depth > 0:
		return c.object(depth)
	case n < 8 && depth > 0:
		return c.array(depth)
	default:
		return c.scalar()
	}
}

func (c chooser) object(depth int) string {
	var members []string
	for range c.IntN(4) {
		members = append(members, `"`+c.name()+`"`+c.gap()+":"+c.gap()+c.document(depth-1))
	}
	return "{" + c.gap() + strings.Join(members, c.gap()+","+c.gap()) + c.gap() + "}"
}

func (c chooser) array(depth int) string {
	var elements []string
	for range c.IntN(4) {
		elements = append(elements, c.document(depth-1))
	}
	return "[" + c.gap() + strings.Join(elements, c.gap()+",") + c.gap() + "]"
}

func (c chooser) gap() string { return c.pick("", "", "", " ", "\n\t") }

func (c chooser) operand() string {
	return c.pick(`"x"`, `"X"`, `"xy"`, `"y"`, `"k"`, `"É"`, `"1"`, `"a\\\\b"`)
}

func (c chooser) number() string { return c.pick("0", "1", "1.00", "2", "0.5", "-1", "1e0") }

func (c chooser) operator() string {
	text := c.operand()
	switch c.IntN(16) {
	case 0:
		return `{"exists":true}`
	case 1, 2:
		return `{"exists":false}`
	case 3:
		return `{"prefix":` + text + `}`
	case 4:
		return `{"suffix":` + text + `}`
	case 5:
		return `{"equals-ignore-case":` + text + `}`
	case 6:
		return `{"anything-but":` + text + `}`
	case 7:
		return `{"anything-but":[` + c.number() + `,` + c.number() + `]}`
	case 8:
		return `{"numeric":["` + c.pick("=", "<", "<=", ">", ">=") + `",` + c.number() + `]}`
	case 9:
		return `{"numeric":["` + c.pick(">", ">=") + `",0,"` + c.pick("<", "<=") + `",2]}`
	case 10:
		return `{"anything-but":{"` + c.pick("prefix", "suffix", "equals-ignore-case", "wildcard") + `":[` + text + `,"z"]}}`
	case 11:
		return `{"` + c.pick("prefix", "suffix") + `":{"equals-ignore-case":` + text + `}}`
	case 12:
		return `{"wildcard":"` + c.pick("*", "x*", "*x", "*x*y*", `a\\\\*`, `*\\*`) + `"}`
	case 13:
		return `{"cidr":"` + c.pick("10.0.0.0/8", "::/64", "1.2.3.4/32") + `"}`
	default:
		return `{"anything-but":[` + text + `,` + c.operand() + `]}`
	}
}

func (c chooser) leaf() string {
	var values []string
	for range 1 + c.IntN(3) {
		if v := c.scalar(); c.IntN(2) > 0 && v != "1e999" {
			values = append(values, v)
		} else {
			values = append(values, c.operator())
		}
	}
	return "[" + strings.Join(values, ",") + "]"
}

func (c chooser) pattern(depth int) string {
	var members []string
	for range 1 + c.IntN(3) {
		switch n := c.IntN(8); {
		case n == 0 && depth > 0:
			members = append(members, `"$or":[`+c.pattern(depth-1)+`,`+c.pattern(depth-1)+`]`)
		case n < 4 && depth > 0:
			members = append(members, `"`+c.name()+`":`+c.pattern(depth-1))
		default:
			members = append(members, `"`+c.name()+`":`+c.leaf())
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// filter is a pattern about the body, the metadata or both.
func (c chooser) filter(body Body) string {
	about := `"` + body.Key + `":` + c.pattern(3)
	if body.Text && c.IntN(3) == 0 {
		about = `"` + body.Key + `":` + c.leaf()
	}
	rest := strings.TrimSuffix(strings.TrimPrefix(c.pattern(2), "{"), "}")
	switch c.IntN(5) {
	case 0:
		return "{" + rest + "}"
	case 1:
		return "{" + rest + "," + about + "}"
	case 2:
		return `{"$or":[{` + about + `},{` + rest + `}]}`
	default:
		return "{" + about + "}"
	}
}

func (c chooser) bodyBytes() []byte {
	body := []byte(c.document(4))
	switch c.IntN(8) {
	case 0: // break it
		if len(body) > 0 {
			body[c.IntN(len(body))] ^= byte(1 << c.IntN(8))
		}
	case 1:
		return body[:c.IntN(len(body)+1)]
	case 2:
		return nil
	case 3:
		return []byte(c.pick("x", "xy", "X", "", "1", "null", `"x"`, "10.0.0.1", "\xff", "[x", "{x"))
	}
	return body
}

func kinds() []Body {
	return []Body{
		{Key: "body", Text: true},
		{Key: "data"},
		{Key: "value", Text: true, KeepMismatch: true},
		{Key: "a", KeepMismatch: true},
	}
}

func compare(t *testing.T, body Body, patterns []string, document []byte, metadata string) {
	t.Helper()
	c, err := Compile(patterns, body, Options{Extensions: true})
	if err != nil {
		return
	}
	r, err := newReference(patterns, body)
	if err != nil {
		t.Fatalf("the reference refuses %q: %v", patterns, err)
	}
	before := string(document)
	want := r.match(document, metadata)
	if r.steps > refPatience {
		return
	}
	for range 2 { // the second time with the state of the first
		if got := c.Match(document, func(dst []byte) []byte { return append(dst, metadata...) }); got != want {
			t.Fatalf("%+v\npatterns %q\nbody     %q (nil: %v)\nmetadata %s\ngot %v, the reference says %v", body, patterns, document, document == nil, metadata, got, want)
		}
	}
	if string(document) != before {
		t.Fatal("the body was changed")
	}
}

// FuzzReference compares with the reference matcher, on patterns and documents
// that seeds make.
func FuzzReference(f *testing.F) {
	for i := range uint64(300) {
		f.Add(i, i*i)
	}
	f.Fuzz(func(t *testing.T, seed, more uint64) {
		c := chooser{rand.New(rand.NewPCG(seed, more))}
		for range 3 {
			body := kinds()[c.IntN(4)]
			var patterns []string
			for range 1 + c.IntN(3) {
				patterns = append(patterns, c.filter(body))
			}
			for range 5 {
				compare(t, body, patterns, c.bodyBytes(), c.object(3))
			}
		}
	})
}

// FuzzMatch takes any pattern and any record: nothing panics, and what can be
// compared with the reference matcher in short time is.
func FuzzMatch(f *testing.F) {
	for i := range uint64(100) {
		c := chooser{rand.New(rand.NewPCG(i, 7))}
		body := kinds()[i%4]
		f.Add(c.filter(body), c.bodyBytes(), c.object(2), byte(i))
	}
	f.Add(`{"$or":[{"$or":[]},{"a":null}]}`, []byte(`{"a":[{"a":1},{`), `[`, byte(3))
	f.Add(`{"a":{"b":[{"cidr":"::/0"},{"wildcard":"\\*"}]}}`, []byte("{\"a\":{\"b\":\"\xff%\"}}"), ``, byte(0))
	f.Fuzz(func(t *testing.T, pattern string, document []byte, metadata string, kind byte) {
		body := kinds()[kind%4]
		if len(pattern)+len(document)+len(metadata) <= 1000 {
			compare(t, body, []string{pattern, pattern}, document, metadata)
			return
		}
		if c, err := Compile([]string{pattern}, body, Options{Extensions: kind&4 == 0}); err == nil {
			c.Match(document, func(dst []byte) []byte { return append(dst, metadata...) })
		}
	})
}
