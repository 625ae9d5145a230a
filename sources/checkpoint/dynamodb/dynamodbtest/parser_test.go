package dynamodbtest

import (
	"strings"
	"testing"
)

func testParser() *parser {
	return newParser(
		map[string]string{"#key": "key", "#a": "a", "#b": "b", "#none": "none"},
		map[string]value{":x": {"S": "x"}, ":y": {"S": "y"}, ":2": {"N": "2"}},
	)
}

func stored() item {
	return item{"key": {"S": "k"}, "a": {"S": "x"}, "b": {"N": "5"}}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                                  true,
		"#a = :x":                           true,
		"#a = :y":                           false,
		"#none = :x":                        false,
		"attribute_exists(#a)":              true,
		"attribute_not_exists(#a)":          false,
		"attribute_not_exists(#none)":       true,
		"#a = :x AND #b = :2":               false,
		"#a = :y OR #a = :x":                true,
		"#a = :x OR #a = :y AND #a = :y":    true,
		"(#a = :x OR #a = :y) AND #a = :y":  false,
		"attribute_not_exists(#a) OR #a=:x": true,
		"attribute_not_exists(#none) AND ((#a=:x))": true,
	} {
		if got, err := testParser().condition(text, stored()); err != nil || got != want {
			t.Errorf("%q gives %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	i := stored()
	if err := testParser().update("SET #a = :y, #none = :x ADD #b :2", i, "key"); err != nil {
		t.Fatal(err)
	}
	if !i["a"].equal(value{"S": "y"}) || !i["none"].equal(value{"S": "x"}) || !i["b"].equal(value{"N": "7"}) {
		t.Errorf("got %v", i)
	}
	if err := testParser().update("REMOVE #a, #none ADD #b :2", i, "key"); err != nil {
		t.Fatal(err)
	}
	if i["a"] != nil || i["none"] != nil || !i["b"].equal(value{"N": "9"}) {
		t.Errorf("got %v", i)
	}
}

// What the service would refuse, or the fake does not know, does not pass.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		" ", "#a", "#a =", "#a = ", "#a = :z", "#z = :x", "a = :x", "#a < :x", "#a = :x AND", "(#a = :x", "#a = :x)",
		"attribute_exists #a", "attribute_exists(#a", "size(#a) = :2", "NOT #a = :x", "#a = :x #b = :2", "#a = #b",
	} {
		if _, err := testParser().condition(text, stored()); err == nil {
			t.Errorf("the condition %q passes", text)
		}
	}
	for _, text := range []string{
		"", "SET", "SET #a", "SET #a = #b", "SET #a = :x,", "SET #a = :x, #a = :y", "SET #key = :x", "REMOVE #a = :x",
		"REMOVE", "ADD #a :2", "ADD #b :x", "ADD #b", "DELETE #a :x", "SET #a = :x REMOVE #a", "SET #a = if_not_exists(#a, :x)",
	} {
		if err := testParser().update(text, stored(), "key"); err == nil {
			t.Errorf("the update %q passes", text)
		}
	}
}

func TestUnusedPlaceholders(t *testing.T) {
	t.Parallel()
	p := testParser()
	if _, err := p.condition("#a = :x AND #b = :2", stored()); err != nil {
		t.Fatal(err)
	}
	err := p.finish()
	for _, unused := range []string{"#none", "#key", ":y"} {
		if err == nil || !strings.Contains(err.Error(), unused) {
			t.Errorf("got %v, want an error that names %s", err, unused)
		}
	}
}

// FuzzParser: no expression makes the parser panic or hang.
func FuzzParser(f *testing.F) {
	f.Add("attribute_not_exists(#a) OR (#a = :x AND #b = :2)")
	f.Add("SET #a = :y, #none = :x REMOVE #a ADD #b :2")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = testParser().condition(text, stored())
		_ = testParser().update(text, stored(), "key")
	})
}
