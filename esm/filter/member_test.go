package filter_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openesm/openesm/esm/filter"
)

// record has a member of every kind, in an object whose names are known and in one
// whose names the sender chooses.
func record() filter.Body {
	values := []filter.Member{{Name: "any"}, {Name: "text", Kind: filter.Text}, {Name: "number", Kind: filter.Number}}
	return filter.Body{Key: "body", Text: true, Members: append(values,
		filter.Member{Name: "closed", Kind: filter.Object, Members: values},
		filter.Member{Name: "open", Kind: filter.Object, Members: []filter.Member{
			{Name: "own", Kind: filter.Number}, {Kind: filter.Object, Members: values},
		}},
	)}
}

// A pattern that can never match is refused, one that can is not.
func TestPatternThatCanNeverMatch(t *testing.T) {
	t.Parallel()
	const none = "records of this source have no such member"
	for pattern, want := range map[string]string{
		`{"texts":["x"]}`:                          "texts: " + none + ", only any, body, closed, number, open, text",
		`{"texts":[{"exists":false}]}`:             "texts: " + none + ", only any, ",
		`{"":["x"]}`:                               ": " + none + ", only any, ",
		`{"body":["x"],"Body":{"a":[1]}}`:          "Body: " + none + ", only any, ",
		`{"$or":[{"text":["x"]},{"texts":["x"]}]}`: "$or.texts: " + none + ", only any, ",
		`{"$or":["x"]}`:                            "$or: " + none + ", only any, ",
		`{"closed":{"texts":["x"]}}`:               "closed.texts: " + none + ", only any, number, text",
		`{"closed":{"texts":{"a":["x"]}}}`:         "closed.texts: " + none + ", only any, number, text",
		`{"text":{"a":["x"]}}`:                     "text.a: " + none + ", a text has none",
		`{"number":{"a":{"b":[1]}}}`:               "number.a: " + none + ", a number has none",
		`{"text":{"$or":[{"a":[1]},{"b":[1]}]}}`:   "text.$or.a: " + none + ", a text has none",
		`{"open":{"own":{"a":[1]}}}`:               "open.own.a: " + none + ", a number has none",
		`{"open":{"x":{"texts":["x"]}}}`:           "open.x.texts: " + none + ", only any, number, text",

		`{"closed":[{"exists":true}]}`:            "closed: is an object, the pattern must name members of it: any, number, text",
		`{"closed":["x",1,{"anything-but":"x"}]}`: "closed: is an object, the pattern must name members of it: any, number, text",
		`{"open":{"x":["x"]}}`:                    "open.x: is an object, the pattern must name members of it: any, number, text",

		`{"text":[1,2]}`:                                      "text: is a text, the pattern asks for a number",
		`{"text":[1,null,true,false]}`:                        "text: is a text, the pattern asks for null or true or false or a number",
		`{"closed":{"text":[{"numeric":[">",1]}]}}`:           "closed.text: is a text, the pattern asks for a number",
		`{"number":["1",{"prefix":"1"}]}`:                     "number: is a number, the pattern asks for a text",
		`{"open":{"own":["1"]}}`:                              "open.own: is a number, the pattern asks for a text",
		`{"open":{"":{"text":[1]}}}`:                          "open..text: is a text, the pattern asks for a number",
		`{"$or":[{"text":[1]},{"number":["1"]}]}`:             "$or.text: is a text, the pattern asks for a number",
		`{"number":["1"],"$or":[{"text":["1"]},{"any":[]}]}`:  "$or.any: an empty array matches nothing",
		`{"number":["1"],"$or":[{"text":["1"]},{"any":[1]}]}`: "number: is a number, the pattern asks for a text",
		`{"$or":[{"number":[1]},{"any":[1]}],"text":[1]}`:     "text: is a text, the pattern asks for a number",
		`{"body":{"a":[1]},"number":["1"]}`:                   "number: is a number, the pattern asks for a text",
		`{"text":["x"],"text":[1]}`:                           "text: is a text, the pattern asks for a number",

		`{"any":["x",1],"closed":{"any":{"a":[1]}}}`:              "",
		`{"open":{"x":{"any":{"a":{"b":[1]}},"text":["x"]}}}`:     "",
		`{"body":{"texts":[1]}}`:                                  "",
		`{"body":[{"exists":false}]}`:                             "",
		`{"text":["x",1],"number":["1",1]}`:                       "",
		`{"text":[1,{"exists":false}]}`:                           "",
		`{"text":[{"anything-but":[1]}]}`:                         "",
		`{"number":[{"anything-but":"1"}]}`:                       "",
		`{"number":[{"exists":true}],"text":[{"exists":true}]}`:   "",
		`{"number":[{"numeric":[">",1]}]}`:                        "",
		`{"text":[{"equals-ignore-case":"x"}]}`:                   "",
		`{"closed":[{"exists":false}],"open":[{"exists":false}]}`: "",
		`{"$or":[{"text":[1]},{"number":[1]}]}`:                   "",
		`{"$or":[{"number":["1"]},{"number":[1]}]}`:               "",
		`{"number":["1"],"$or":[{"number":[1]},{"number":[2]}]}`:  "", // of one field the later counts (FILT-07)
		`{"text":[1],"text":["x"]}`:                               "",
		`{"$or":[{"closed":["x"]},{"closed":{"text":["x"]}}]}`:    "",
	} {
		_, err := filter.Compile(one(pattern), record(), filter.Options{})
		if (err == nil) != (want == "") || want != "" && !strings.HasPrefix(err.Error(), "the pattern of filter 1: "+want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
		if _, ok := errors.AsType[*filter.MemberError](err); err != nil && ok != !strings.Contains(want, "empty array") {
			t.Errorf("%s: %T", pattern, err)
		}
	}
}

// What is refused for its kind is what no value of the kind passes.
func TestConditionsOfKinds(t *testing.T) {
	t.Parallel()
	values := map[string][]string{
		"text":   {`{"text":"x"}`, `{"text":"1"}`, `{"text":"10.0.0.1"}`, `{"text":""}`, `{}`},
		"number": {`{"number":1}`, `{"number":2.5}`, `{"number":-7}`, `{}`},
		"closed": {`{"closed":{"text":"x","number":1}}`, `{"closed":{}}`, `{}`},
		"any":    {`{"any":"x"}`, `{"any":"1"}`, `{"any":"10.0.0.1"}`, `{"any":1}`, `{"any":null}`, `{"any":true}`, `{"any":false}`, `{"any":{}}`, `{}`},
	}
	conditions := []string{
		`"x"`, `1`, `null`, `true`, `false`, `{"exists":true}`, `{"exists":false}`, `{"prefix":"x"}`, `{"suffix":"x"}`, `{"equals-ignore-case":"X"}`,
		`{"anything-but":"y"}`, `{"anything-but":[3]}`, `{"numeric":["=",1]}`, `{"numeric":[">",0,"<",9]}`, `{"wildcard":"x*"}`, `{"exactly":"x"}`,
		`{"cidr":"10.0.0.0/8"}`, `{"prefix":{"equals-ignore-case":"X"}}`, `{"suffix":{"equals-ignore-case":"X"}}`, `{"anything-but":{"prefix":"y"}}`,
	}
	options := filter.Options{Extensions: true}
	for name, documents := range values {
		for _, first := range conditions {
			for _, second := range conditions {
				pattern := `{"` + name + `":[` + first + `,` + second + `]}`
				criteria, err := filter.Compile(one(pattern), filter.Body{Key: "body"}, options)
				if err != nil {
					t.Fatal(err)
				}
				can := false
				for _, document := range documents {
					can = can || criteria.Match(nil, func(dst []byte) []byte { return append(dst, document...) })
				}
				if _, err = filter.Compile(one(pattern), record(), options); (err == nil) != can {
					t.Errorf("%s: %v, though a record can match: %t", pattern, err, can)
				}
			}
		}
	}
}
