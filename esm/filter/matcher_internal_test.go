package filter

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestReadsNoMoreThanNeeded looks at where the reading of a body stopped.
func TestReadsNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	tail := `,"rest":[` + strings.Repeat(`{"a":1},`, 1000) + `0]}`
	for _, c := range []struct {
		name     string
		keep     bool
		patterns string
		document string
		stops    bool
		want     bool
	}{
		{"dropped, fails", false, `{"b":{"a":[1]}}`, `{"a":2`, true, false},
		{"dropped, fails below", false, `{"b":{"o":{"a":[1]},"z":[1]}}`, `{"o":{"a":2}`, true, false},
		{"dropped, fails in all", false, `{"b":{"a":[1]}} {"b":{"a":[2],"z":[1]}}`, `{"a":3`, true, false},
		{"dropped, an unwanted field", false, `{"b":{"a":[{"exists":false}]}}`, `{"a":3`, true, false},
		{"dropped, one may still match", false, `{"b":{"a":[1]}} {"b":{"z":[1]}}`, `{"a":3`, false, false},
		{"dropped, an element may still match", false, `{"b":{"l":{"a":[1]}}}`, `{"l":[{"a":2},{"a":3}]`, true, false},
		{"dropped, matches", false, `{"b":{"a":[1]}}`, `{"a":1`, false, true},
		{"kept, matches", true, `{"b":{"a":[1]}}`, `{"a":1`, true, true},
		{"kept, one matches", true, `{"b":{"a":[2]}} {"b":{"a":[1]}}`, `{"a":1`, true, true},
		{"kept, an element matches", true, `{"b":{"l":{"a":[1],"c":[1]}}}`, `{"l":[{"a":1},{"a":1,"c":1},0]`, true, true},
		{"kept, a value of an array matches", true, `{"b":{"l":["x"]}}`, `{"l":["y",["x"],0]`, true, true},
		{"kept, fails", true, `{"b":{"a":[1]}}`, `{"a":2`, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			criteria, err := Compile(strings.Fields(c.patterns), Body{Key: "b", KeepMismatch: c.keep}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			m := newMatcher(&criteria.plan)
			if got := m.record(&criteria.body, []byte(c.document+tail), nil); got != c.want || m.stopped != c.stops {
				t.Errorf("got %v, stopped %v; want %v, stopped %v", got, m.stopped, c.want, c.stops)
			}
		})
	}
}

// TestWorkIsLinear counts the objects and fields that are opened while a
// document is read: twice the document, twice the work.
func TestWorkIsLinear(t *testing.T) {
	t.Parallel()
	criteria, err := Compile([]string{
		`{"b":{"a":{"b":["x",{"wildcard":"*x*y*"}],"c":[{"exists":false}]},"z":["z"]}}`,
		`{"b":{"a":{"a":{"a":{"b":[{"anything-but":["x"]}],"z":[1]}}},"z":["y"]}}`,
		`{"b":{"l":[{"numeric":[">",1]}],"$or":[{"a":{"b":[1]}},{"a":{"d":[1]}}],"z":["x"]}}`,
	}, Body{Key: "b"}, Options{Extensions: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		`{"a":[%0],"z":1}|{},`,
		`{"a":[%0],"z":1}|{"b":"y"},`,
		`{"a":[%0],"z":1}|{"b":"x","c":1,"a":[{"a":[{"b":"x"}]}]},`,
		`{"a":[%0],"z":1}|[[{"b":"y"},[]]],`,
		`{"l":[%0],"z":1}|1,`,
		`{%"a":{"b":"y"},"z":1}|"a":{"e":"y"},`,
		`[%0]|{"a":{"b":"x"},"z":"q"},`,
		`{"a":{"b":"%"},"z":1}|x`,
		`{"a":{"b":"%"},"z":1}|\u0078`,
	} {
		frame, unit, _ := strings.Cut(form, "|")
		work := func(n int) uint64 {
			m := newMatcher(&criteria.plan)
			document := []byte(strings.Replace(frame, "%", strings.Repeat(unit, n), 1))
			if m.record(&criteria.body, document, nil) {
				t.Fatalf("%s matches", form)
			}
			return m.epoch
		}
		small, large := work(1000), work(2000)
		per, most := (large-small)/1000, uint64(10)
		if large-small != per*1000 || per > most {
			t.Errorf("%s: %d for 1000 and %d for 2000", form, small, large)
		}
	}
}

// TestMetadataIsBuiltWhenNamed counts the calls.
func TestMetadataIsBuiltWhenNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		want    int
	}{
		{`{"b":{"a":[1]}}`, 0},
		{`{"b":{"a":[1]},"eventSource":[{"exists":false}]}`, 1},
		{`{"b":{"a":[1]},"eventName":["INSERT"]}`, 1},
		{`{"$or":[{"b":{"a":[1]}},{"eventName":["INSERT"]},{"x":{"y":[1]}}]}`, 1},
	} {
		criteria, err := Compile([]string{c.pattern, `{"b":{"c":[1]}}`}, Body{Key: "b"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		matched := criteria.Match([]byte(`{"a":1}`), func(dst []byte) []byte {
			calls++
			return append(dst, `{"eventName":"INSERT"}`...)
		})
		if calls != c.want || !matched {
			t.Errorf("%s: %d calls, matched %v; want %d calls", c.pattern, calls, matched, c.want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	criteria, err := Compile([]string{`{"b":{"l":{"a":["x"],"n":[{"numeric":[">",50]}]}},"m":["1","2"]}`}, Body{Key: "b"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 8 {
		t.Run(strconv.Itoa(k), func(t *testing.T) {
			t.Parallel()
			for i := range 500 {
				document := fmt.Appendf(nil, `{"l":[{"a":"y","n":99},{"a":"\u0078","n":%d}]}`, i%100)
				want := i%100 > 50 && k < 3 && k > 0
				if got := criteria.Match(document, func(dst []byte) []byte { return fmt.Appendf(dst, `{"m":"%d"}`, k) }); got != want {
					t.Errorf("%s, %d: got %v", document, k, got)
				}
			}
		})
	}
}
