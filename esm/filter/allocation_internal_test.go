//go:build !race

package filter

import (
	"strings"
	"testing"
)

// TestNoAllocation matches with every operator, form and outcome.
// AllocsPerRun does not allow parallel tests, and under the race detector a
// sync.Pool forgets at random.
//
//nolint:paralleltest // see above
func TestNoAllocation(t *testing.T) {
	leaf := `["x","a","b","c","d","e","f","g","h",1,2.5,null,true,{"prefix":"é"},{"suffix":"é"},{"equals-ignore-case":"ÉÉ"},` +
		`{"anything-but":["y","z"]},{"numeric":[">",1,"<",2]},{"wildcard":"*q*r*"},{"cidr":"10.0.0.0/8"},{"cidr":"::/8"},` +
		`{"prefix":{"equals-ignore-case":"É"}},{"anything-but":{"wildcard":["*a*"]}},{"exists":false}]`
	record := &struct{ name string }{"INSERT"}
	source := appender(func(dst []byte, name string) []byte {
		return append(append(append(dst, `{"eventName":"`...), name...), `"}`...)
	})
	for _, body := range []Body{{Key: "b", Text: true}, {Key: "b", Text: true, KeepMismatch: true}} {
		for _, pattern := range []string{
			`{"b":{"f":` + leaf + `,"g":` + leaf + `}}`,
			`{"b":{"f":{"g":` + leaf + `,"h":` + leaf + `}},"eventName":["INSERT"]}`,
			`{"b":` + leaf + `}`,
			`{"b":[{"anything-but":"y"}]}`,
			`{"eventName":["REMOVE"]}`,
		} {
			c, err := Compile([]string{pattern, `{"b":{"never":[1]}}`}, body, Options{Extensions: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, document := range []string{
				`{"f":"y","g":"\u0079","h":10.25}`, `{"f":"10.9.0.1","g":"e::"}`, `{"f":[1.50000000000000000000000000000000001,"y"],"g":["\n\n\n\n\n\n\n\n\n\n\n\n"]}`,
				`{"f":[{"g":"y","h":"y"},{"g":"` + strings.Repeat(`\"`, 500) + `"}]}`, `plain text`, "\xff", `{"f":`, `{"f":{}}`, ``,
			} {
				bytes := []byte(document)
				allocs := testing.AllocsPerRun(100, func() {
					c.Match(bytes, func(dst []byte) []byte { return source.AppendMetadata(dst, record.name) })
				})
				if allocs != 0 {
					t.Errorf("%.60s on %.60s: %v allocations", pattern, document, allocs)
				}
			}
		}
	}
}

// appender stands for what an adapter supplies.
type appender func(dst []byte, name string) []byte

func (a appender) AppendMetadata(dst []byte, name string) []byte { return a(dst, name) }
