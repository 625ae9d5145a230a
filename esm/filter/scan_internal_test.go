package filter

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzValid compares with encoding/json.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `[[]]`, `[1,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `[1}`, `{"a":1]`,
		`0`, `-`, `-0`, `01`, `1.`, `.1`, `1e`, `1e+`, `1E-7`, `0.0e0`, `+1`, `1a`, `true`, `tru`, `truee`, `nul`, `false`,
		`"`, `"a`, `"a\"`, `"\u12"`, `"\u12g4"`, `"\uD83D\uDE00"`, `"\x"`, "\"\n\"", "\"\x00\"", "\"12345678\x1f\"", "\"\x1f234567890123456\"", "\"1234567\n90123456\"", `"1234567890123456\n"`, "\"\x7f\xff\"",
		`[{"a":[1,2,{"b":null}]},"\\"] `, "\ufeff{}", "{}\x00", `{"a":1}}`, `[1]]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := valid(b), json.Valid(b); got != want {
			t.Fatalf("%q: valid %v, encoding/json says %v", b, got, want)
		}
	})
}

// FuzzUnescape compares with encoding/json.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{`a`, `\n\t\r\b\f\/\"\\`, `\u00e9\u0000`, `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d`, `\ud83d\u0041`, `\ud83d\n`, `é\u`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want string
		if strings.ToValidUTF8(s, "") != s || json.Unmarshal([]byte(`"`+s+`"`), &want) != nil {
			return
		}
		if got := string(unescape(nil, []byte(s))); got != want {
			t.Fatalf("%q: got %q, encoding/json says %q", s, got, want)
		}
	})
}

func TestDepth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pattern string
		open, shut    string
	}{
		{"skipped arrays", `{"value":{"a":["x"]}}`, `[`, `]`},
		{"skipped objects", `{"value":{"z":["x"]}}`, `{"a":`, `}`},
		{"arrays of a leaf", `{"value":{"a":{"b":["x"]}}}`, `[`, `]`},
		{"objects in arrays", `{"value":{"a":{"b":["x"]}}}`, `[{"a":`, `}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			criteria, err := Compile([]string{c.pattern}, Body{Key: "value", KeepMismatch: true}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			levels := strings.Count(c.open, "[") + strings.Count(c.open, "{")
			for _, depth := range []int{maxDepth, maxDepth + levels, 40 * maxDepth} {
				n := depth / levels
				document := []byte(strings.Repeat(c.open, n) + `1` + strings.Repeat(c.shut, n))
				isJSON := json.Valid(document)
				if isJSON != (depth <= maxDepth) {
					t.Fatalf("encoding/json nests otherwise: %v at %d", isJSON, depth)
				}
				// What is JSON fails the pattern, and what is not is kept.
				if got := criteria.Match(document, nil); got == isJSON {
					t.Errorf("depth %d: got %v", depth, got)
				}
				if valid(document) != isJSON {
					t.Errorf("depth %d: valid %v", depth, !isJSON)
				}
			}
		})
	}
}

func TestDepthBelowFields(t *testing.T) {
	t.Parallel()
	criteria, err := Compile([]string{`{"value":{"a":{"b":["x"]},"c":["x"]}}`}, Body{Key: "value", KeepMismatch: true}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{`{"a":{"b":%}}`, `{"a":[{"b":%}]}`, `{"a":[[],[{"z":%}]]}`, `{"c":[%]}`, `{"c":[[%]]}`, `[{"z":%}]`} {
		above := strings.Count(form, "{") + strings.Count(form, "[") - strings.Count(form, "[]")
		for _, n := range []int{maxDepth - above, maxDepth - above + 1} {
			document := []byte(strings.Replace(form, "%", strings.Repeat("[", n)+strings.Repeat("]", n), 1))
			isJSON := json.Valid(document)
			if isJSON != (n == maxDepth-above) {
				t.Fatalf("%s: encoding/json nests otherwise", form)
			}
			if got := criteria.Match(document, nil); got == isJSON {
				t.Errorf("%s: %d below: got %v", form, n, got)
			}
		}
	}
}
