package filter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm/filter"
)

// order is a document of about a size: fields, then lines of an order, then
// fields again.
func order(size int) []byte {
	var b strings.Builder
	b.WriteString(`{"kind":"invoice","id":"0f8fad5b-d9cb-469f-a165-70867728950e","customer":{"name":"Aino Möller","address":{"street":"Kauppakatu 5","city":"Espoo"}},"lines":[`)
	for i := 0; b.Len() < size-120; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"A-%06d","text":"Screws, \"stainless\", box of %d","count":%d,"price":%d.%02d,"taxed":true,"tags":["iron","small"],"note":null}`, i, i%7*50, i%13, i%100, i%90)
	}
	b.WriteString(`],"currency":"EUR","total":1234.5,"paid":false,"region":"eu-north-1"}`)
	return []byte(b.String())
}

func compile(tb testing.TB, patterns ...string) *filter.Criteria {
	tb.Helper()
	c, err := filter.Compile(patterns, sqs, filter.Options{Extensions: true})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// decode measures encoding/json on the same bytes, in nanoseconds.
func decode(tb testing.TB, document []byte) float64 {
	tb.Helper()
	n, start := 0, time.Now()
	for ; time.Since(start) < 100*time.Millisecond; n++ {
		var v map[string]any
		if err := json.Unmarshal(document, &v); err != nil {
			tb.Fatal(err)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

var sizes = []struct {
	name  string
	bytes int
}{{"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}}

// BenchmarkMatch measures one and five patterns on a JSON body: one that
// passes, one that fails at its end, and one that fails at its beginning. The
// ratio is to encoding/json decoding the same body into a map.
func BenchmarkMatch(b *testing.B) {
	last := `{"body":{"region":[{"prefix":"%s-"}]}}`
	five := []string{
		`{"body":{"kind":["order","offer"],"total":[{"numeric":[">=",100]}]}}`,
		`{"body":{"customer":{"address":{"city":["Espoo"]}},"lines":{"count":[{"numeric":[">",12]}],"price":[{"numeric":["<",1]}]}}}`,
		`{"body":{"currency":[{"anything-but":["EUR"]}],"paid":[true]}}`,
		`{"body":{"$or":[{"urgent":[true]},{"region":[{"suffix":"-9"}]}]}}`,
	}
	for _, c := range []struct {
		name     string
		patterns []string
		want     bool
	}{
		{"1/passes", []string{fmt.Sprintf(last, "eu")}, true},
		{"1/fails-late", []string{fmt.Sprintf(last, "us")}, false},
		{"1/fails-early", []string{`{"body":{"kind":["order"]}}`}, false},
		{"5/passes", append(five[:4:4], fmt.Sprintf(last, "eu")), true},
		{"5/fails-late", append(five[:4:4], fmt.Sprintf(last, "us")), false},
		{"5/fails-early", []string{
			`{"body":{"kind":["order"]}}`, `{"body":{"kind":["offer"],"paid":[true]}}`, `{"body":{"kind":[{"prefix":"re"}]}}`,
			`{"body":{"kind":[{"suffix":"s"}],"total":[1]}}`, `{"body":{"kind":[{"anything-but":"invoice"}],"lines":{"sku":["x"]}}}`,
		}, false},
	} {
		for _, size := range sizes {
			b.Run(c.name+"/"+size.name, func(b *testing.B) {
				criteria, document := compile(b, c.patterns...), order(size.bytes)
				slow := decode(b, document)
				b.ReportAllocs()
				for b.Loop() {
					if criteria.Match(document, nil) != c.want {
						b.Fatal("wrong")
					}
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
				b.ReportMetric(each/float64(len(document)), "ns/B")
				b.ReportMetric(slow/float64(len(document)), "decode-ns/B")
				b.ReportMetric(slow/each, "x-decode")
			})
		}
	}
}

// BenchmarkHostile measures documents that are made to be slow, in two sizes:
// the time a byte must not grow with the size.
func BenchmarkHostile(b *testing.B) {
	pattern := `{"body":{"a":{"b":["x",{"numeric":[">",1]},{"wildcard":"*aaaaaaaab*aaaaaaaac*"}],"c":[{"exists":false}]}}}`
	for name, unit := range map[string]string{
		"objects":    `{"a":[%s{}]}`,
		"elements":   `{"a":[%s{"b":"y"},{"c":1},{}]}`,
		"duplicates": `{%s"a":{"b":"y"}}`,
		"arrays":     `{"a":{"b":[%s[]]}}`,
		"numbers":    `{"a":{"b":0.%s}}`,
		"escapes":    `{"a":{"b":"%s"}}`,
		"wildcard":   `{"a":{"b":"%s"}}`,
		"nested":     `{"z":%s}`,
	} {
		for _, size := range sizes[1:] {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				criteria := compile(b, pattern)
				document := []byte(fmt.Sprintf(unit, hostile(name, size.bytes)))
				b.ReportAllocs()
				for b.Loop() {
					criteria.Match(document, nil)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(document)), "ns/B")
			})
		}
	}
}

func hostile(name string, size int) string {
	unit := map[string]string{
		"objects": `{},`, "elements": `{"b":"y"},`, "duplicates": `"a":{"z":"y"},`, "arrays": `[],`,
		"numbers": `1`, "escapes": `\u0061`, "wildcard": `aaaaaaaa`, "nested": `[[],`,
	}[name]
	n := size / len(unit)
	if name == "nested" {
		n = min(n, 9000)
		return strings.Repeat(unit, n) + "0" + strings.Repeat("]", n)
	}
	return strings.Repeat(unit, n)
}
