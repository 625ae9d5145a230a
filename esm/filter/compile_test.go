package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openesm/openesm/esm/filter"
)

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	f := func(condition string) string { return `{"body":{"f":` + condition + `}}` }
	for _, c := range []struct{ name, pattern, want string }{
		{"FILT02 too long", `{"body":["` + strings.Repeat("é", filter.MaxPatternLength) + `"]}`, "longer than 4096 characters"},
		{"FILT60 null", `null`, "not a JSON object"},
		{"FILT61 no JSON", `simple string`, "not JSON"},
		{"FILT61 broken", `{"body":[1]`, "not JSON"},
		{"FILT61 more than one", `{"body":[1]} {}`, "not JSON"},
		{"FILT61 not UTF-8", "{\"body\":[\"\xff\"]}", "not UTF-8"},
		{"FILT62 a text", `{"eventSource":"aws:sqs"}`, "eventSource: must be an array or an object"},
		{"FILT62 a number below", `{"body":{"a":{"b":1}}}`, "body.a.b: must be an array or an object"},
		{"FILT63 an empty array", `{"eventSource":[]}`, "eventSource: an empty array"},
		{"FILT64 an array", `[{"body":["x"]}]`, "not a JSON object"},
		{"FILT64 a string", `"body"`, "not a JSON object"},
		{"FILT64 a number", `5`, "not a JSON object"},
		{"FILT65 an empty object", `{}`, "an empty object"},
		{"FILT65 an empty object below", `{"body":{"a":{}}}`, "body.a: an empty object"},
		{"FILT65 an empty alternative", `{"body":{"$or":[{"a":[1]},{}]}}`, "body.$or: an empty object"},
		{"FILT66 no operator", f(`[{"contains":"x"}]`), `body.f: contains: is no operator`},
		{"FILT66 case", f(`[{"Prefix":"x"}]`), `Prefix: is no operator`},
		{"FILT66 two keys", f(`[{"prefix":"x","suffix":"y"}]`), "one member, this one has 2"},
		{"FILT66 a key twice", f(`[{"prefix":"x","prefix":"y"}]`), "one member, this one has 2"},
		{"FILT66 no key", f(`[{}]`), "one member, this one has 0"},
		{"FILT66 an array in an array", f(`[["x"]]`), "an array in an array"},
		{"FILT67 exists", f(`[{"exists":"true"}]`), "exists: must be true or false"},
		{"FILT67 exists null", f(`[{"exists":null}]`), "exists: must be true or false"},
		{"FILT67 prefix", f(`[{"prefix":1}]`), "prefix: must be a string"},
		{"FILT67 prefix list", f(`[{"prefix":["x"]}]`), "prefix: must be a string"},
		{"FILT67 suffix", f(`[{"suffix":null}]`), "suffix: must be a string"},
		{"FILT67 suffix object", f(`[{"suffix":{"prefix":"x"}}]`), "suffix: must be a string or an object"},
		{"FILT67 equals-ignore-case", f(`[{"equals-ignore-case":["x"]}]`), "equals-ignore-case: must be a string"},
		{"FILT67 anything-but nothing", f(`[{"anything-but":[]}]`), "anything-but: must be strings or numbers"},
		{"FILT67 anything-but mixed", f(`[{"anything-but":["x",1]}]`), "anything-but: must be strings or numbers"},
		{"FILT67 anything-but null", f(`[{"anything-but":null}]`), "anything-but: must be strings or numbers"},
		{"FILT67 anything-but true", f(`[{"anything-but":[true]}]`), "anything-but: must be strings or numbers"},
		{"FILT67 anything-but list in a list", f(`[{"anything-but":[["x"]]}]`), "anything-but: must be strings or numbers"},
		{"FILT67 anything-but exists", f(`[{"anything-but":{"exists":true}}]`), `anything-but: takes no operator "exists"`},
		{"FILT67 anything-but two", f(`[{"anything-but":{"prefix":"x","suffix":"y"}}]`), "one member, this one has 2"},
		{"FILT67 numeric text", f(`[{"numeric":"> 1"}]`), "numeric: must be an array"},
		{"FILT67 numeric empty", f(`[{"numeric":[]}]`), "numeric: must be an array"},
		{"FILT67 numeric without number", f(`[{"numeric":["="]}]`), "numeric: must be an array"},
		{"FILT67 numeric of a text", f(`[{"numeric":["=","1"]}]`), "numeric: must have a number"},
		{"FILT67 numeric three terms", f(`[{"numeric":[">",1,"<",2,"<",3]}]`), "numeric: must be an array"},
		{"FILT67 numeric unknown", f(`[{"numeric":["==",1]}]`), `numeric: takes no operator "=="`},
		{"FILT67 numeric no operator", f(`[{"numeric":[1,1]}]`), `numeric: takes no operator ""`},
		{"FILT67 numeric too large", f(`[{"numeric":["=",1e309]}]`), "1e309 is out of range"},
		{"FILT67 number too large", f(`[1e309]`), "1e309 is out of range"},
		{"FILT67 anything-but number too large", f(`[{"anything-but":1e309}]`), "1e309 is out of range"},
		{"FILT30 upper bound first", f(`[{"numeric":["<",1,">",0]}]`), `not "<" and ">"`},
		{"FILT30 equals and more", f(`[{"numeric":["=",1,"<",2]}]`), `takes no operator "=" here`},
		{"FILT30 two lower bounds", f(`[{"numeric":[">",1,">",2]}]`), `not ">" and ">"`},
		{"FILT30 nothing between", f(`[{"numeric":[">",30,"<",1]}]`), "lower bound 30 must be less"},
		{"FILT30 one value between", f(`[{"numeric":[">=",1,"<=",1]}]`), "lower bound 1 must be less"},
		{"FILT34 one alternative", `{"body":{"$or":[{"a":[1]}]}}`, "body.$or: a: is no operator"},
		{"FILT34 alternatives that are no objects", `{"body":{"$or":[{"a":[1]},["b"]]}}`, "body.$or: a: is no operator"},
		{"FILT34 too many combinations", `{"body":{` + ors(10) + `}}`, "more than 1000 combinations"},
		{"FILT35", f(`[{"prefix":{"equals-ignore-case":"x"}}]`), "prefix: equals-ignore-case: is not among AWS Lambda's operators"},
		{"FILT36 wildcard", f(`[{"wildcard":"x*"}]`), "wildcard: is not among AWS Lambda's operators"},
		{"FILT36 anything-but prefix", f(`[{"anything-but":{"prefix":"x"}}]`), "anything-but: prefix: is not among AWS Lambda's operators"},
		{"FILT36 exactly", f(`[{"exactly":"x"}]`), "exactly: is not among AWS Lambda's operators"},
		{"FILT37", f(`[{"cidr":"10.0.0.0/8"}]`), "cidr: is not among AWS Lambda's operators"},
		{"FILT36 extension, two stars", f(`[{"wildcard":"x**"}]`), `wildcard: "**" is not allowed`},
		{"FILT36 extension, an escape", f(`[{"wildcard":"x\\n"}]`), `is no escape`},
		{"FILT36 extension, half an escape", f(`[{"wildcard":"x\\"}]`), "ends with a backslash"},
		{"FILT36 extension, wildcard of a number", f(`[{"wildcard":1}]`), "wildcard: must be a string"},
		{"FILT36 extension, anything-but an empty prefix", f(`[{"anything-but":{"prefix":["x",""]}}]`), "prefix: must not be empty"},
		{"FILT36 extension, anything-but a numeric suffix", f(`[{"anything-but":{"suffix":[1]}}]`), "suffix: must be a string or a list"},
		{"FILT36 extension, anything-but no wildcard", f(`[{"anything-but":{"wildcard":[]}}]`), "wildcard: must be a string or a list"},
		{"FILT36 extension, anything-but a bad wildcard", f(`[{"anything-but":{"wildcard":"**"}}]`), `"**" is not allowed`},
		{"FILT37 extension, no prefix length", f(`[{"cidr":"10.0.0.0"}]`), "cidr: must be an address and a length"},
		{"FILT37 extension, too long", f(`[{"cidr":"10.0.0.0/33"}]`), "cidr: must be an address and a length"},
		{"FILT37 extension, no text", f(`[{"cidr":["10.0.0.0/8"]}]`), "cidr: must be a string"},
		{"FILT69 empty", "", "is empty"},
		{"FILT07 one that does not count is not judged", `{"body":{"a":[],"a":[1]}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			criteria, err := filter.Compile(one(c.pattern), sqs, filter.Options{Extensions: strings.Contains(c.name, "extension")})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || criteria != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "the pattern of filter 1: ") {
				t.Errorf("%q does not say which filter", err)
			}
		})
	}
}

// ors has n fields with two alternatives each: 2^n combinations.
func ors(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`"f%d":{"$or":[{"a":[1]},{"b":[2]}]}`, i))
	}
	return strings.Join(all, ",")
}

func TestCombinations_FILT34(t *testing.T) {
	t.Parallel()
	c, err := filter.Compile(one(`{"body":{`+ors(9)+`,"g":[1]}}`), sqs, filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fields := []string{`{"g":1`}
	for i := range 9 {
		fields = append(fields, fmt.Sprintf(`"f%d":{"%c":%d}`, i, "ab"[i%2], i%2+1))
	}
	document := strings.Join(fields, ",") + "}"
	if !c.Match([]byte(document), nil) {
		t.Error("one of 512 combinations does not match")
	}
	if c.Match([]byte(strings.Replace(document, `"f4":{"a"`, `"f4":{"c"`, 1)), nil) {
		t.Error("matches without f4")
	}
}

func TestPatternLength_FILT02(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("é", filter.MaxPatternLength-len(`{"body":[""]}`))
	c, err := filter.Compile(one(`{"body":["`+text+`"]}`), sqs, filter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Match([]byte(text), nil) || c.Match([]byte(text+"é"), nil) {
		t.Error("a pattern of 4096 characters does not match its text alone")
	}
}

func TestNumberOfFilters_FILT03(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filters, limit int
		want           string
	}{
		{5, 0, ""},
		{6, 0, "there are 6 filters, at most 5 are allowed"},
		{10, 10, ""},
		{11, 10, "there are 11 filters, at most 10 are allowed"},
		{7, 7, ""},
		{8, 7, "there are 8 filters, at most 7 are allowed"},
		{1, 11, "MaxFilters is 11, must be 1 to 10"},
		{1, -1, "MaxFilters is -1, must be 1 to 10"},
	} {
		var patterns []string
		for range c.filters {
			patterns = append(patterns, `{"body":["x"]}`)
		}
		_, err := filter.Compile(patterns, sqs, filter.Options{MaxFilters: c.limit})
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%d filters, limit %d: got %v, want %q", c.filters, c.limit, err, c.want)
		}
	}
}

// Text refused (FILT-68, FILT-81, KIN-205).
func TestTextRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body    filter.Body
		pattern string
	}{
		{kinesis, `{"data":["x"]}`},
		{kinesis, `{"data":[{"prefix":"x"}],"partitionKey":["1"]}`},
		{kinesis, `{"$or":[{"data":["x"]},{"partitionKey":["1"]}]}`},
		{dynamodb, `{"dynamodb":["x"]}`},
	} {
		_, err := filter.Compile(one(c.pattern), c.body, filter.Options{})
		if err == nil || !strings.Contains(err.Error(), c.body.Key+": must be an object") {
			t.Errorf("%s: got %v", c.pattern, err)
		}
	}
}

func TestEveryWrongFilterIsNamed(t *testing.T) {
	t.Parallel()
	_, err := filter.Compile([]string{`x`, `{"body":["x"]}`, `{"body":{"a":[]}}`}, sqs, filter.Options{})
	want := "the pattern of filter 1: is not JSON\nthe pattern of filter 3: body.a: an empty array matches nothing"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBodyNeedsKey(t *testing.T) {
	t.Parallel()
	if _, err := filter.Compile(nil, filter.Body{}, filter.Options{}); err == nil {
		t.Error("a body without a key was taken")
	}
}
