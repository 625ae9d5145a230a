package filter_test

import (
	"strings"
	"testing"

	"github.com/openesm/openesm/esm/filter"
)

// The kinds of sources (FILT-50..54).
var (
	sqs      = filter.Body{Key: "body", Text: true}
	kinesis  = filter.Body{Key: "data"}
	dynamodb = filter.Body{Key: "dynamodb"}
	kafka    = filter.Body{Key: "value", Text: true, KeepMismatch: true}
	mq       = filter.Body{Key: "data", Text: true, KeepMismatch: true}
)

// absent is the body of a record that has none.
const absent = "(none)"

type fact struct {
	name     string
	body     filter.Body
	patterns []string
	document string
	metadata string
	want     bool
}

func (f *fact) check(t *testing.T) {
	t.Helper()
	c, err := filter.Compile(f.patterns, f.body, filter.Options{Extensions: strings.Contains(f.name, "extension")})
	if err != nil {
		t.Fatal(err)
	}
	document := []byte(f.document)
	if f.document == absent {
		document = nil
	}
	metadata := func(dst []byte) []byte { return append(dst, f.metadata...) }
	if f.metadata == "" {
		metadata = nil
	}
	if got := c.Match(document, metadata); got != f.want {
		t.Errorf("patterns %s\nbody %s\nmetadata %s\ngot %v, want %v", f.patterns, f.document, f.metadata, got, f.want)
	}
}

func run(t *testing.T, facts []fact) {
	t.Helper()
	for _, f := range facts {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.check(t)
		})
	}
}

func one(pattern string) []string { return []string{pattern} }

// field is a fact about the pattern of one field and its value.
func field(name, condition, value string, want bool) fact {
	return fact{name, sqs, one(`{"body":{"f":` + condition + `}}`), `{"e":0,"f":` + value + `,"g":0}`, "", want}
}

func TestStructure(t *testing.T) {
	t.Parallel()
	run(t, []fact{
		{"FILT01 a pattern is a text with a JSON object", sqs, one(" {\n\t\"body\" : { \"a\" : [ 1 ] }\n} "), `{"a":1}`, "", true},
		{"FILT04 filters are or, the second matches", sqs, []string{`{"body":{"a":[1]}}`, `{"body":{"b":[2]}}`}, `{"a":9,"b":2}`, "", true},
		{"FILT04 filters are or, none matches", sqs, []string{`{"body":{"a":[1]}}`, `{"body":{"b":[2]}}`}, `{"a":9,"b":9}`, "", false},
		{"FILT04 fields are and", sqs, one(`{"body":{"a":[1],"b":[2]}}`), `{"a":1,"b":9}`, "", false},
		{"FILT04 values are or", sqs, one(`{"body":{"a":[1,"x",null]}}`), `{"a":"x"}`, "", true},
		{"FILT05 a field that is not there", sqs, one(`{"body":{"a":[1],"b":[2]}}`), `{"a":1}`, "", false},
		{"FILT05 a field that is not named", sqs, one(`{"body":{"a":[1]}}`), `{"a":1,"b":2,"c":{"a":3}}`, "", true},
		{"FILT06 no filter", sqs, nil, "anything", "", true},
		{"FILT06 no filter, no body", kafka, []string{}, absent, "", true},
		{"FILT07 the last of two keys counts", sqs, one(`{"body":{"a":[1],"a":[2]}}`), `{"a":2}`, "", true},
		{"FILT07 the first of two keys does not", sqs, one(`{"body":{"a":[1],"a":[2]}}`), `{"a":1}`, "", false},
		{"FILT07 objects of one key are not joined", dynamodb, one(`{"dynamodb":{"A":{"S":["x"]}},"dynamodb":{"B":{"S":["y"]}}}`), `{"A":{"S":"z"},"B":{"S":"y"}}`, "", true},
		{"FILT07 a field inside $or after the same outside", sqs, one(`{"body":{"a":[1],"$or":[{"a":[2]},{"b":[3]}]}}`), `{"a":2}`, "", true},
		{"FILT07 a field outside after the same inside $or", sqs, one(`{"body":{"$or":[{"a":[2]},{"b":[3]}],"a":[1]}}`), `{"a":2}`, "", false},
		{"duplicates in a document: the first counts", sqs, one(`{"body":{"a":[1]}}`), `{"a":1,"a":2}`, "", true},
		{"duplicates in a document: the second does not", sqs, one(`{"body":{"a":[2]}}`), `{"a":1,"a":2}`, "", false},
		{"duplicates in a document: one with an escape", sqs, one(`{"body":{"a":[2]}}`), `{"\u0061":1,"a":2}`, "", false},
		{"duplicates in a document: nothing is joined", sqs, one(`{"body":{"o":{"a":[1],"b":[2]}}}`), `{"o":{"a":1},"o":{"b":2}}`, "", false},
	})
}

func TestOperators(t *testing.T) {
	t.Parallel()
	run(t, []fact{
		field("FILT20 equal", `["Alice"]`, `"Alice"`, true),
		field("FILT20 case", `["Alice"]`, `"alice"`, false),
		field("FILT20 no trimming", `["Alice"]`, `"Alice "`, false),
		field("FILT20 no normalisation", `["\u00e9"]`, `"e\u0301"`, false),
		field("FILT20 escapes are characters", `["é/\u0041"]`, `"\u00e9\/A"`, true),
		field("FILT20 a pair of surrogates", `["😀"]`, `"\ud83d\ude00"`, true),
		field("FILT20 half a pair", `["\ufffd"]`, `"\ud83dx"`, false),
		field("FILT20 half a pair alone", `["\ufffd"]`, `"\ude00"`, true),
		field("FILT21 one of two", `["Credit","Debit"]`, `"Debit"`, true),
		field("FILT21 none of two", `["Credit","Debit"]`, `"Cash"`, false),
		field("FILT21 one of many", `["a","b","c","d","e","f","g","h","i"]`, `"i"`, true),
		field("FILT21 the first of many", `["a","b","c","d","e","f","g","h","i"]`, `"a"`, true),
		field("FILT21 none of many", `["a","b","c","d","e","f","g","h","i"]`, `"j"`, false),
		{"FILT22 both", sqs, one(`{"body":{"a":["x"],"b":["y"]}}`), `{"b":"y","a":"x"}`, "", true},
		{"FILT22 one", sqs, one(`{"body":{"a":["x"],"b":["y"]}}`), `{"b":"z","a":"x"}`, "", false},
		field("FILT23 empty", `[""]`, `""`, true),
		field("FILT23 not empty", `[""]`, `" "`, false),
		field("FILT23 null is not empty", `[""]`, `null`, false),
		{"FILT23 absent is not empty", sqs, one(`{"body":{"f":[""]}}`), `{}`, "", false},
		field("FILT24 null", `[null]`, `null`, true),
		field("FILT24 the text null", `[null]`, `"null"`, false),
		field("FILT24 an empty array is not null", `[null]`, `[]`, false),
		{"FILT24 absent is not null", sqs, one(`{"body":{"f":[null]}}`), `{}`, "", false},
		field("FILT25 true", `[true]`, `true`, true),
		field("FILT25 false", `[true]`, `false`, false),
		field("FILT25 the text true", `[true]`, `"true"`, false),
		field("FILT25 false for false", `[false]`, `false`, true),
		field("FILT26 number", `[100]`, `100`, true),
		field("FILT26 another number", `[100]`, `101`, false),
		field("FILT26 one of many", `[9,8,7,6,5,4,3,2,1]`, `2`, true),
		field("FILT26 negative", `[-1.5]`, `-15e-1`, true),
		field("FILT27 another case", `[{"equals-ignore-case":"alice"}]`, `"ALICE"`, true),
		field("FILT27 another text", `[{"equals-ignore-case":"alice"}]`, `"ALICES"`, false),
		field("FILT27 a shorter text", `[{"equals-ignore-case":"alice"}]`, `"ALIC"`, false),
		field("FILT27 beyond ASCII", `[{"equals-ignore-case":"ÄÖ"}]`, `"äÖ"`, true),
		field("FILT27 of other lengths in UTF-8", `[{"equals-ignore-case":"ⱥ"}]`, `"Ⱥ"`, true),
		field("FILT27 neither upper nor lower case", `[{"equals-ignore-case":"ǅ"}]`, `"ǅ"`, true),
		field("FILT27 not the Kelvin sign", `[{"equals-ignore-case":"k"}]`, `"\u212a"`, false),
		field("FILT27 not a number", `[{"equals-ignore-case":"1"}]`, `1`, false),
		field("FILT28 another", `[{"anything-but":["Raining"]}]`, `"Sunny"`, true),
		field("FILT28 listed", `[{"anything-but":["Raining","Sunny"]}]`, `"Sunny"`, false),
		field("FILT28 a bare text", `[{"anything-but":"Raining"}]`, `"Raining"`, false),
		field("FILT28 a bare number", `[{"anything-but":100}]`, `100.0`, false),
		field("FILT28 another number", `[{"anything-but":[100,200]}]`, `300`, true),
		field("FILT28 a number and texts", `[{"anything-but":["1"]}]`, `1`, true),
		field("FILT28 a text and numbers", `[{"anything-but":[1]}]`, `"1"`, true),
		field("FILT28 null", `[{"anything-but":["x"]}]`, `null`, true),
		field("FILT28 a boolean", `[{"anything-but":["x"]}]`, `false`, true),
		field("FILT28 an array with another", `[{"anything-but":["x"]}]`, `["x","y"]`, true),
		field("FILT28 an array of listed ones", `[{"anything-but":["x"]}]`, `["x","x"]`, false),
		field("FILT29 equal", `[{"numeric":["=",100]}]`, `1e2`, true),
		field("FILT29 not equal", `[{"numeric":["=",100]}]`, `100.1`, false),
		field("FILT30 inside", `[{"numeric":[">",10,"<=",20]}]`, `20`, true),
		field("FILT30 the open end", `[{"numeric":[">",10,"<=",20]}]`, `10`, false),
		field("FILT30 above", `[{"numeric":[">",10,"<=",20]}]`, `20.001`, false),
		field("FILT30 the closed end", `[{"numeric":[">=",10,"<",20]}]`, `10`, true),
		field("FILT30 the other open end", `[{"numeric":[">=",10,"<",20]}]`, `20`, false),
		field("FILT30 less", `[{"numeric":["<",0]}]`, `-1e300`, true),
		field("FILT30 not less", `[{"numeric":["<",0]}]`, `-0`, false),
		field("FILT30 greater", `[{"numeric":[">",0]}]`, `0.0000001`, true),
		field("FILT31 there", `[{"exists":true}]`, `null`, true),
		field("FILT31 there, unwanted", `[{"exists":false}]`, `null`, false),
		{"FILT31 absent", sqs, one(`{"body":{"f":[{"exists":true}]}}`), `{}`, "", false},
		{"FILT31 absent, wanted", sqs, one(`{"body":{"f":[{"exists":false}]}}`), `{}`, "", true},
		{"FILT31 absent or a value, absent", sqs, one(`{"body":{"f":[{"exists":false},"x"]}}`), `{}`, "", true},
		field("FILT31 absent or a value, the value", `[{"exists":false},"x"]`, `"x"`, true),
		field("FILT31 absent or a value, another", `[{"exists":false},"x"]`, `"y"`, false),
		field("FILT31 or anything but", `[{"anything-but":["roses"]},{"exists":false}]`, `"roses"`, false),
		field("FILT32 prefix", `[{"prefix":"us-"}]`, `"us-east-1"`, true),
		field("FILT32 all of it", `[{"prefix":"us-"}]`, `"us-"`, true),
		field("FILT32 another", `[{"prefix":"us-"}]`, `"eu-us-"`, false),
		field("FILT32 shorter", `[{"prefix":"us-"}]`, `"us"`, false),
		field("FILT32 of a number", `[{"prefix":"1"}]`, `12`, false),
		field("FILT33 suffix", `[{"suffix":".png"}]`, `"a.png"`, true),
		field("FILT33 another", `[{"suffix":".png"}]`, `"a.png.gz"`, false),
		field("FILT33 shorter", `[{"suffix":".png"}]`, `"png"`, false),
		{"FILT34 the first", sqs, one(`{"body":{"$or":[{"a":[1]},{"b":[2]}]}}`), `{"a":1}`, "", true},
		{"FILT34 the second", sqs, one(`{"body":{"$or":[{"a":[1]},{"b":[2]}]}}`), `{"b":2}`, "", true},
		{"FILT34 neither", sqs, one(`{"body":{"$or":[{"a":[1]},{"b":[2]}]}}`), `{"a":2,"b":1}`, "", false},
		{"FILT34 and another field", sqs, one(`{"body":{"c":[3],"$or":[{"a":[1]},{"b":[2]}]}}`), `{"a":1,"c":4}`, "", false},
		{"FILT34 in an alternative", sqs, one(`{"body":{"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":[4]}]}]}}`), `{"b":2,"d":4}`, "", true},
		{"FILT34 in an alternative, half", sqs, one(`{"body":{"$or":[{"a":[1]},{"b":[2],"$or":[{"c":[3]},{"d":[4]}]}]}}`), `{"b":2,"d":5}`, "", false},
		{"FILT34 two of them", sqs, one(`{"body":{"x":{"$or":[{"a":[1]},{"b":[2]}]},"y":{"$or":[{"a":[1]},{"b":[2]}]}}}`), `{"x":{"a":1},"y":{"b":2}}`, "", true},
		{"FILT34 two of them, one", sqs, one(`{"body":{"x":{"$or":[{"a":[1]},{"b":[2]}]},"y":{"$or":[{"a":[1]},{"b":[2]}]}}}`), `{"x":{"a":1}}`, "", false},
		{"FILT34 at the top", kinesis, one(`{"$or":[{"data":{"a":[1]}},{"partitionKey":["k"]}]}`), `{"a":2}`, `{"partitionKey":"k"}`, true},
		{"FILT34 a field of operators", sqs, one(`{"body":{"$or":[{"prefix":"a"},{"suffix":"b"}]}}`), `{"$or":"xb"}`, "", true},
		{"FILT34 a field of values", sqs, one(`{"body":{"$or":["x"]}}`), `{"$or":"x"}`, "", true},
		{"FILT34 a field with fields", sqs, one(`{"body":{"$or":{"a":[1]}}}`), `{"$or":{"a":1}}`, "", true},
		field("FILT35 extension", `[{"prefix":{"equals-ignore-case":"us"}}]`, `"US-1"`, true),
		field("FILT35 extension, another", `[{"prefix":{"equals-ignore-case":"us"}}]`, `"EU"`, false),
		field("FILT35 extension, suffix", `[{"suffix":{"equals-ignore-case":".PNG"}}]`, `"a.png"`, true),
		field("FILT35 extension, no suffix", `[{"suffix":{"equals-ignore-case":".PNG"}}]`, `"png"`, false),
		field("FILT36 extension, wildcard", `[{"wildcard":"a*c*e"}]`, `"abcde"`, true),
		field("FILT36 extension, wildcard for nothing", `[{"wildcard":"a*c*e"}]`, `"ace"`, true),
		field("FILT36 extension, wildcard in another order", `[{"wildcard":"a*c*d*e"}]`, `"adce"`, false),
		field("FILT36 extension, wildcard, ends do not overlap", `[{"wildcard":"ab*ba"}]`, `"aba"`, false),
		field("FILT36 extension, wildcard for all", `[{"wildcard":"*"}]`, `""`, true),
		field("FILT36 extension, wildcard without one", `[{"wildcard":"ab"}]`, `"abc"`, false),
		field("FILT36 extension, a star", `[{"wildcard":"a\\*b\\\\*"}]`, `"a*b\\c"`, true),
		field("FILT36 extension, no star", `[{"wildcard":"a\\*b"}]`, `"axb"`, false),
		field("FILT36 extension, anything-but prefix", `[{"anything-but":{"prefix":["ab","x"]}}]`, `"abc"`, false),
		field("FILT36 extension, anything-but prefix, a number", `[{"anything-but":{"prefix":"1"}}]`, `12`, true),
		field("FILT36 extension, anything-but suffix", `[{"anything-but":{"suffix":"c"}}]`, `"abc"`, false),
		field("FILT36 extension, anything-but in any case", `[{"anything-but":{"equals-ignore-case":["ABC"]}}]`, `"abc"`, false),
		field("FILT36 extension, anything-but in any case, null", `[{"anything-but":{"equals-ignore-case":["ABC"]}}]`, `null`, true),
		field("FILT36 extension, anything-but wildcard", `[{"anything-but":{"wildcard":"*b*"}}]`, `"abc"`, false),
		field("FILT36 extension, exactly", `[{"exactly":"x"}]`, `"x"`, true),
		field("FILT37 extension", `[{"cidr":"10.0.0.0/24"}]`, `"10.0.0.255"`, true),
		field("FILT37 extension, outside", `[{"cidr":"10.0.0.0/24"}]`, `"10.0.1.0"`, false),
		field("FILT37 extension, version 6", `[{"cidr":"2001:db8::/32"}]`, `"2001:db8::1"`, true),
		field("FILT37 extension, a zone", `[{"cidr":"fe80::/16"}]`, `"fe80::1%eth0"`, false),
		field("FILT37 extension, no address", `[{"cidr":"10.0.0.0/24"}]`, `"localhost"`, false),
		field("FILT37 extension, a number", `[{"cidr":"10.0.0.0/24"}]`, `10`, false),
	})
}

func TestMatching(t *testing.T) {
	t.Parallel()
	rows := `{"body":{"rows":{"a":["x"],"b":["y"]}}}`
	run(t, []fact{
		field("FILT40 300.0 is 300", `[300]`, `300.0`, true),
		field("FILT40 3.0e2 is 300", `[300]`, `3.0e2`, true),
		field("FILT40 300 is 3.0e2", `[3.0e2]`, `300`, true),
		field("FILT40 a text is no number", `[300]`, `"300"`, false),
		field("FILT40 a number is no text", `["300"]`, `300`, false),
		field("FILT41 a text of digits", `[{"numeric":["=",100]}]`, `"100"`, false),
		field("FILT41 null", `[{"numeric":["<",100]}]`, `null`, false),
		field("FILT42 beyond five billion", `[{"numeric":[">",5e9]}]`, `123456789012`, true),
		field("FILT42 an account number", `[123456789012]`, `123456789012`, true),
		field("FILT42 sixteen digits", `[1234567890123456]`, `1234567890123457`, false),
		field("FILT42 twenty-three digits", `[12345678901234567890123]`, `12345678901234567890123`, true),
		field("FILT42 more than a double can tell", `[9007199254740993]`, `9007199254740992`, true),
		field("FILT42 more than a double can hold", `[{"numeric":[">",0]}]`, `1e400`, false),
		field("FILT42 more than a double can hold, anything-but", `[{"anything-but":[1]}]`, `1e400`, true),
		field("FILT42 more than a double can hold, there", `[{"exists":true}]`, `-1e400`, true),
		field("FILT42 next to nothing", `[0]`, `1e-400`, true),
		field("FILT43 any element", `["x"]`, `[1,"y",["z",["x"]],{"f":"q"}]`, true),
		field("FILT43 no element", `["x"]`, `[1,"y",["z"],{"f":"x"}]`, false),
		field("FILT43 a number", `[{"numeric":["<",10]}]`, `[100,5,200]`, true),
		field("FILT44 an object does not exist", `[{"exists":true}]`, `{"x":1}`, false),
		field("FILT44 an object is absent", `[{"exists":false}]`, `{"x":1}`, true),
		field("FILT44 an empty array is absent", `[{"exists":false}]`, `[]`, true),
		field("FILT44 an empty array does not exist", `[{"exists":true}]`, `[[],[]]`, false),
		field("FILT44 an array of objects is absent", `[{"exists":false}]`, `[{"x":1}]`, true),
		field("FILT44 a value among objects", `[{"exists":false}]`, `[{"x":1},0]`, false),
		{"FILT44 below a value", sqs, one(`{"body":{"f":{"g":[{"exists":false}]}}}`), `{"f":1}`, "", true},
		{"FILT44 below a value, wanted", sqs, one(`{"body":{"f":{"g":[{"exists":true}]}}}`), `{"f":1}`, "", false},
		{"FILT45 one element has both", sqs, one(rows), `{"rows":[{"a":"x"},{"b":"y"},{"a":"x","b":"y"}]}`, "", true},
		{"FILT45 two elements have one each", sqs, one(rows), `{"rows":[{"a":"x"},{"b":"y"}]}`, "", false},
		{"FILT45 one has values that fit no more", sqs, one(rows), `{"rows":[{"a":"x","b":"z"},{"a":"z","b":"y"}]}`, "", false},
		{"FILT45 arrays in arrays", sqs, one(rows), `{"rows":[[{"a":"x"}],[[{"b":"y","a":"x"}]]]}`, "", true},
		{"FILT45 arrays in arrays, two elements", sqs, one(rows), `{"rows":[[{"a":"x"},{"b":"y"}]]}`, "", false},
		{"FILT45 an object without an array", sqs, one(rows), `{"rows":{"a":"x","b":"y"}}`, "", true},
		{"FILT45 an array further up", sqs, one(`{"body":{"p":{"q":{"a":[1]},"r":{"b":[2]}}}}`), `{"p":[{"q":{"a":1}},{"r":{"b":2}}]}`, "", false},
		{"FILT45 an array further up, one element", sqs, one(`{"body":{"p":{"q":{"a":[1]},"r":{"b":[2]}}}}`), `{"p":[{"q":{"a":1}},{"r":[{"b":3},{"b":2}],"q":{"a":1}}]}`, "", true},
		{"FILT45 the body is an array", sqs, one(`{"body":{"a":[1],"b":[2]}}`), `[{"a":1},{"a":1,"b":2}]`, "", true},
		{"FILT45 the body is an array, two elements", sqs, one(`{"body":{"a":[1],"b":[2]}}`), `[{"a":1},{"b":2}]`, "", false},
		{"FILT45 absent from the element that has the other", sqs, one(`{"body":{"d":{"a":[{"exists":true}],"b":[{"exists":false}]}}}`), `{"d":[{"b":2},{"a":1}]}`, "", true},
		{"FILT45 not absent from any such element", sqs, one(`{"body":{"d":{"a":[{"exists":true}],"b":[{"exists":false}]}}}`), `{"d":[{"a":1,"b":2},{}]}`, "", false},
		{"FILT45 absent from all elements", sqs, one(`{"body":{"d":{"b":[{"exists":false}]}}}`), `{"d":[{"a":1},{"c":2}]}`, "", true},
		{"FILT45 absent from some elements", sqs, one(`{"body":{"d":{"b":[{"exists":false}]}}}`), `{"d":[{"a":1},{"b":2},{}]}`, "", false},
		{"FILT45 an element that passes again counts once", sqs, []string{`{"body":{"l":{"a":[1]},"z":[1]}}`, `{"body":{"l":{"b":[1]},"z":[1]}}`}, `{"l":[{"a":1},{"a":1},{"b":2}]}`, "", false},
		{"FILT45 an element that passes again counts once, of one field", sqs, []string{`{"body":{"l":{"a":[1]},"z":[1]}}`, `{"body":{"l":{"a":[2]},"z":[1]}}`}, `{"l":[{"a":1},{"a":1},{"a":3}]}`, "", false},
		{"FILT45 an element that fails after one that passes", sqs, []string{`{"body":{"l":{"a":[1]},"z":[1]}}`, `{"body":{"l":{"b":[1]},"z":[1]}}`}, `{"l":[{"a":1},{"a":2},{"b":2}],"z":1}`, "", true},
		{"FILT45 $or in the element", sqs, one(`{"body":{"d":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}}`), `{"d":[{"a":1},{"b":2},{"a":1,"c":3}]}`, "", true},
		{"FILT45 $or in another element", sqs, one(`{"body":{"d":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}}`), `{"d":[{"a":1},{"b":2,"c":3}]}`, "", false},
		{"FILT45 $or outside", sqs, one(`{"body":{"d":{"a":[1]},"$or":[{"d":{"b":[2]}},{"d":{"c":[3]}}]}}`), `{"d":[{"a":1},{"b":2,"c":3}]}`, "", false},
		{"FILT46 absent is not anything but", sqs, one(`{"body":{"f":[{"anything-but":["x"]}]}}`), `{"g":1}`, "", false},
		{"FILT46 an object is not anything but", sqs, one(`{"body":{"f":[{"anything-but":["x"]}]}}`), `{"f":{}}`, "", false},
		{"FILT47 a dot in a pattern does not nest", sqs, one(`{"body":{"a.b":[1]}}`), `{"a":{"b":1}}`, "", false},
		{"FILT47 a dot in a document does not nest", sqs, one(`{"body":{"a":{"b":[1]}}}`), `{"a.b":1}`, "", false},
		{"FILT47 a dot is a dot", sqs, one(`{"body":{"a.b":[1]}}`), `{"a.b":1}`, "", true},
		{"names are case-sensitive", sqs, one(`{"body":{"Name":["x"]}}`), `{"name":"x"}`, "", false},
		{"many names", sqs, one(`{"body":{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1],"g":[1],"h":[1],"i":[1],"a name of more than sixty-three characters, which is quite long, yes":[1]}}`), `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":0,"a name of more than sixty-three characters, which is quite long, yes":1}`, "", true},
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	run(t, []fact{
		{"FILT50 SQS", sqs, one(`{"body":{"a":[1]}}`), `{"a":1}`, "", true},
		{"FILT51 Kinesis", kinesis, one(`{"data":{"a":[1]}}`), `{"a":1}`, "", true},
		{"FILT51 partitionKey at the top", kinesis, one(`{"partitionKey":["1"],"data":{"a":[1]}}`), `{"a":1}`, `{"partitionKey":"1"}`, true},
		{"FILT52 DynamoDB", dynamodb, one(`{"dynamodb":{"Keys":{"id":{"S":["a1"]}}}}`), `{"Keys":{"id":{"S":"a1"}}}`, "", true},
		{"FILT53 KAF150 Kafka", kafka, one(`{"value":{"a":[1]}}`), `{"a":1}`, "", true},
		{"FILT53 KAF151 Kafka, text", kafka, one(`{"value":[{"prefix":"a"}]}`), `abc`, "", true},
		{"FILT53 Kafka, key", kafka, one(`{"key":["k"],"value":{"a":[1]}}`), `{"a":1}`, `{"key":"x"}`, false},
		{"FILT54 MQ", mq, one(`{"data":{"a":[1]}}`), `{"a":2}`, "", false},
		{"FILT55 eventName", dynamodb, one(`{"eventName":["INSERT"]}`), `{}`, `{"eventName":"INSERT"}`, true},
		{"FILT55 another eventName", dynamodb, one(`{"eventName":["INSERT"]}`), `{}`, `{"eventName":"REMOVE"}`, false},
		{"FILT55 a nested member", sqs, one(`{"attributes":{"SenderId":[{"prefix":"A"}]}}`), `text`, `{"messageId":"1","attributes":{"SenderId":"AB"}}`, true},
		{"FILT56 eventSource", dynamodb, one(`{"eventSource":["aws:dynamodb"]}`), `{}`, `{"eventSource":"aws:dynamodb"}`, true},
		{"FILT56 awsRegion", sqs, one(`{"awsRegion":[{"exists":false}]}`), `x`, `{"awsRegion":"eu-north-1"}`, false},
		{"FILT57 the key is at the top", kinesis, one(`{"kinesis":{"data":{"a":[1]}}}`), `{"a":1}`, `{"partitionKey":"1"}`, false},
		{"FILT57 the body's key in the metadata is not looked at", kinesis, one(`{"data":{"a":[1]}}`), `{"a":2}`, `{"data":{"a":1}}`, false},
		{"FILT58 DDB97 a text of digits", dynamodb, one(`{"dynamodb":{"NewImage":{"price":{"N":["7"]}}}}`), `{"NewImage":{"price":{"N":"7"}}}`, "", true},
		{"FILT58 DDB97 no number", dynamodb, one(`{"dynamodb":{"NewImage":{"price":{"N":[{"numeric":[">",0]}]}}}}`), `{"NewImage":{"price":{"N":"7"}}}`, "", false},
		{"FILT59 DDB84 the time is a number", dynamodb, one(`{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",1479499740]}]}}`), `{"ApproximateCreationDateTime":1.5E9}`, "", true},
		{"DDB98 exists judges leaves", dynamodb, one(`{"dynamodb":{"NewImage":{"city":[{"exists":false}]}}}`), `{"NewImage":{"city":{"S":"Espoo"}}}`, "", true},
		{"DDB98 a leaf", dynamodb, one(`{"dynamodb":{"NewImage":{"city":{"S":[{"exists":false}]}}}}`), `{"NewImage":{"city":{"S":"Espoo"}}}`, "", false},
		{"metadata that is no object is none", sqs, one(`{"a":[1]}`), `x`, `[{"a":1}]`, false},
		{"metadata that breaks off is none", sqs, one(`{"a":[1]}`), `x`, `{"a":1`, false},
		{"metadata that is not asked for", sqs, one(`{"body":["x"]}`), `x`, `{"a":1`, true},
	})
}

func TestFormats(t *testing.T) {
	t.Parallel()
	json, text, both := `{"B":{"a":[1]}}`, `{"B":[{"prefix":"{\"a\""},"plain"]}`, `{"B":{"a":[1]},"m":["x"]}`
	of := func(name string, body filter.Body, pattern, document, metadata string, want bool) fact {
		return fact{name, body, one(strings.ReplaceAll(pattern, `"B"`, `"`+body.Key+`"`)), document, metadata, want}
	}
	mismatch := `{"B":{"a":[{"exists":false}]}}`
	var facts []fact
	for _, keep := range []struct {
		body                filter.Body
		textJSON, textPlain string
		json, plain         bool
	}{
		{sqs, "FILT74", "FILT75", false, false},
		{kafka, "FILT84", "FILT85", true, true},
		{mq, "FILT84", "FILT85", true, true},
	} {
		facts = append(
			facts,
			of(keep.textJSON+" text for JSON "+keep.body.Key, keep.body, json, "plain", "", keep.json),
			of(keep.textJSON+" text for JSON that asks for nothing "+keep.body.Key, keep.body, mismatch, "plain", "", keep.json),
			of(keep.textJSON+" the metadata fails "+keep.body.Key, keep.body, both, "plain", `{"m":"y"}`, false),
			of(keep.textJSON+" the metadata passes "+keep.body.Key, keep.body, both, "plain", `{"m":"x"}`, keep.json),
			of(keep.textPlain+" JSON for text "+keep.body.Key, keep.body, text, `{"a":1}`, "", keep.plain),
			of(keep.textPlain+" JSON for another text "+keep.body.Key, keep.body, text, `{"b":1}`, "", keep.plain),
			of("FILT87 not UTF-8 for JSON "+keep.body.Key, keep.body, json, "{\"a\":1,\"b\":\"\xff\"}", "", keep.json),
			of("FILT87 not UTF-8 for JSON that fails "+keep.body.Key, keep.body, json, "{\"a\":2,\"b\":\"\xff\"}", "", keep.json),
			of("FILT87 not UTF-8 for text "+keep.body.Key, keep.body, `{"B":[{"suffix":"x"}]}`, "\xffx", "", keep.plain),
			of("FILT87 not UTF-8 for text that fails "+keep.body.Key, keep.body, `{"B":[{"suffix":"x"}]}`, "\xffy", "", keep.plain),
			of("broken after a match "+keep.body.Key, keep.body, json, `{"a":1,"b":}`, "", keep.json),
			of("broken after a failure "+keep.body.Key, keep.body, json, `{"a":2,"b":}`, "", keep.json),
			fact{
				"followed by more after a match of one of two " + keep.body.Key, keep.body,
				[]string{`{"` + keep.body.Key + `":{"a":[1]}}`, `{"` + keep.body.Key + `":{"a":[{"exists":true}],"z":[1]}}`}, `{"a":1}}`, "", keep.json,
			},
			of("followed by more after a failure "+keep.body.Key, keep.body, json, `{"a":2}}`, "", keep.json),
			of("broken JSON is text "+keep.body.Key, keep.body, text, `{"a":1`, "", true),
			of("broken JSON is another text "+keep.body.Key, keep.body, text, `{"b":1`, "", false),
			of("FILT71 a number is text "+keep.body.Key, keep.body, `{"B":["5"]}`, "5", "", true),
			of("FILT71 null is text "+keep.body.Key, keep.body, `{"B":[null]}`, "null", "", false),
			of("FILT71 a quoted text is text, with its quotes "+keep.body.Key, keep.body, `{"B":["\"x\""]}`, `"x"`, "", true),
			of("FILT71 an empty body is text "+keep.body.Key, keep.body, `{"B":[""]}`, "", "", true),
			of("FILT05 no body for text "+keep.body.Key, keep.body, `{"B":[{"exists":true}]}`, absent, "", false),
			of("FILT31 no body, wanted "+keep.body.Key, keep.body, `{"B":[{"exists":false}]}`, absent, "", true),
			of("FILT05 no body for JSON "+keep.body.Key, keep.body, json, absent, "", false),
			of("FILT31 no body for JSON, wanted "+keep.body.Key, keep.body, mismatch, absent, "", true),
		)
	}
	run(t, append(
		facts,
		of("FILT70 FILT72 text for text", sqs, `{"B":[{"prefix":"Result: "}]}`, "Result: 5", "", true),
		of("FILT72 another text", sqs, `{"B":[{"prefix":"Result: "}]}`, "result: 5", "", false),
		of("FILT73 text for none", sqs, `{"m":["x"]}`, "plain", `{"m":"x"}`, true),
		of("FILT73 text for none, the metadata fails", sqs, `{"m":["x"]}`, "plain", `{"m":"y"}`, false),
		of("FILT76 JSON for none", sqs, `{"m":["x"]}`, `{"a":1}`, `{"m":"x"}`, true),
		of("FILT77 JSON for JSON", sqs, json, `{"a":1}`, "", true),
		of("FILT77 another JSON", sqs, json, `{"a":2}`, "", false),
		of("FILT78 KIN204 JSON for JSON", kinesis, json, `{"a":1}`, "", true),
		of("FILT79 KIN204 any for none", kinesis, `{"m":["x"]}`, "plain", `{"m":"x"}`, true),
		of("FILT80 KIN204 text for JSON", kinesis, json, "plain", "", false),
		of("FILT80 KIN204 text for JSON, the metadata passes", kinesis, both, "plain", `{"m":"x"}`, false),
		of("FILT80 a number for JSON", kinesis, json, "5", "", false),
		of("FILT80 DynamoDB", dynamodb, json, "", "", false),
		of("FILT82 text for text", kafka, `{"B":[{"anything-but":["ping"]}]}`, "pong", "", true),
		of("FILT82 KAF153 another text", kafka, `{"B":[{"anything-but":["ping"]}]}`, "ping", "", false),
		of("FILT83 JSON for JSON", mq, json, ` {"a":1} `, "", true),
		of("FILT83 another JSON", mq, json, ` {"a":2} `, "", false),
		of("FILT86 any for none", kafka, `{"m":["x"]}`, "\xff", `{"m":"x"}`, true),
		of("FILT83 an unwanted field comes last", kafka, `{"B":{"a":[1],"z":[{"exists":false}]}}`, `{"a":1,"b":{},"z":null}`, "", false),
		of("FILT77 an unwanted field comes last", sqs, `{"B":{"a":[1],"z":[{"exists":false}]}}`, `{"a":1,"b":{},"z":null}`, "", false),
		of("FILT88 KAF153 nothing is left to check", kafka, json, "plain", "", true),
		fact{"both forms, JSON", sqs, []string{`{"body":{"a":[1]}}`, `{"body":["plain"]}`}, `{"a":1}`, "", true},
		fact{"both forms, text", sqs, []string{`{"body":{"a":[1]}}`, `{"body":["plain"]}`}, `plain`, "", true},
		fact{"both forms, neither", sqs, []string{`{"body":{"a":[1]}}`, `{"body":["plain"]}`}, `{"a":2}`, "", false},
		fact{"both forms, kept", kafka, []string{`{"value":{"a":[1]}}`, `{"value":["plain"]}`}, `{"a":2}`, "", true},
		fact{"both forms, binary", kafka, []string{`{"value":{"a":[1]}}`, `{"value":["plain"]}`}, "\xff", "", true},
		fact{"both forms in one rule", sqs, one(`{"body":["x"],"$or":[{"body":{"a":[1]}},{"m":[1]}]}`), `x`, `{"m":1}`, true},
	))
}

func TestExamples(t *testing.T) {
	t.Parallel()
	filters := []string{
		`{"body":{"kind":["invoice"],"total":[{"numeric":[">=",100]}]}}`,
		`{"body":{"$or":[{"urgent":[true]},{"region":[{"prefix":"eu-"}]}]}}`,
	}
	run(t, []fact{
		{"FILT110", sqs, filters, `{"kind":"invoice","total":100}`, "", true},
		{"FILT111", sqs, filters, `{"kind":"invoice","total":"100"}`, "", false},
		{"FILT112", sqs, filters, `{"urgent":true}`, "", true},
		{"FILT113", sqs, filters, `{"region":["us-1","eu-3"]}`, "", true},
		{"FILT114", sqs, filters, `hello`, "", false},
		{"FILT115", sqs, filters, `{"kind":{"a":"invoice"},"total":500}`, "", false},
		{"the stream form", kinesis, one(`{"data":{"temp":[{"numeric":[">",0]}]}}`), `{"temp":0.5}`, "", true},
		{"the table form", dynamodb, one(`{"dynamodb":{"Keys":{"id":{"S":["a1"]}}}}`), `{"Keys":{"id":{"S":"a2"}}}`, "", false},
		{"the topic form", kafka, one(`{"value":[{"anything-but":["ping"]}]}`), `ping`, "", false},
	})
}
