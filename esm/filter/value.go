package filter

import (
	"strconv"
	"unsafe"
)

type kind uint8

const (
	stringKind kind = iota
	numberKind
	nullKind
	trueKind
	falseKind
)

// value is a string, a number or a literal of a document.
type value struct {
	kind kind
	// text is a string's, without quotes and escapes.
	text []byte
	// number is a number's value. Without inRange it is none that a double
	// can hold, and equals no other.
	number  float64
	inRange bool
}

// numberValue is the value of a number's text.
func numberValue(text []byte) value {
	if n, ok := shortInteger(text); ok {
		return value{kind: numberKind, number: n, inRange: true}
	}
	n, err := strconv.ParseFloat(view(text), 64)
	return value{kind: numberKind, number: n, inRange: err == nil}
}

// shortInteger reads what most numbers are.
func shortInteger(text []byte) (n float64, ok bool) {
	if len(text) > 18 { // more may not fit an int64
		return 0, false
	}
	sum := int64(0)
	for _, c := range text {
		if c -= '0'; c > 9 {
			return 0, false
		}
		sum = sum*10 + int64(c)
	}
	return float64(sum), true
}

// literalValue is the value of a literal that starts with c.
func literalValue(c byte) value {
	switch c {
	case 't':
		return value{kind: trueKind}
	case 'f':
		return value{kind: falseKind}
	default:
		return value{kind: nullKind}
	}
}

// view is the text as a string that shares its bytes, for parsers that take
// strings and keep none.
func view(text []byte) string {
	return unsafe.String(unsafe.SliceData(text), len(text))
}
