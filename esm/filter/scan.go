package filter

import (
	"encoding/binary"
	"math/bits"
)

// The functions of this file read JSON text by RFC 8259: each takes the text
// and where to start, and returns where it stopped, or invalid. They read
// every byte once. That strings are UTF-8 is left to the caller, who asks for
// the whole document at once.

const invalid = -1

// maxDepth is how deep a document may nest, that of encoding/json.
const maxDepth = 10_000

// at is the byte at i, or 0 behind the end, which is no JSON.
func at(b []byte, i int) byte {
	if uint(i) < uint(len(b)) {
		return b[i]
	}
	return 0
}

// space skips white space.
func space(b []byte, i int) int {
	if at(b, i) > ' ' {
		return i
	}
	return spaces(b, i)
}

func spaces(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

// skipValue skips the value at i, which may nest depth levels deep.
func skipValue(b []byte, i, depth int) int {
	switch at(b, i) {
	case '{':
		return skipObject(b, i+1, depth-1)
	case '[':
		return skipArray(b, i+1, depth-1)
	case '"':
		return skipString(b, i+1)
	}
	return skipScalar(b, i)
}

// skipObject skips what follows an opening brace.
func skipObject(b []byte, i, depth int) int {
	if depth < 0 {
		return invalid
	}
	i = space(b, i)
	if at(b, i) == '}' {
		return i + 1
	}
	for {
		if at(b, i) != '"' {
			return invalid
		}
		if i = skipString(b, i+1); i < 0 {
			return invalid
		}
		if i = space(b, i); at(b, i) != ':' {
			return invalid
		}
		i = space(b, i+1)
		if at(b, i) == '"' {
			i = skipString(b, i+1)
		} else {
			i = skipValue(b, i, depth)
		}
		if i < 0 {
			return invalid
		}
		i = space(b, i)
		switch at(b, i) {
		case ',':
			i = space(b, i+1)
		case '}':
			return i + 1
		default:
			return invalid
		}
	}
}

// skipArray skips what follows an opening bracket.
func skipArray(b []byte, i, depth int) int {
	if depth < 0 {
		return invalid
	}
	i = space(b, i)
	if at(b, i) == ']' {
		return i + 1
	}
	for {
		if i = skipValue(b, i, depth); i < 0 {
			return invalid
		}
		i = space(b, i)
		switch at(b, i) {
		case ',':
			i = space(b, i+1)
		case ']':
			return i + 1
		default:
			return invalid
		}
	}
}

// skipScalar skips a number or a literal.
func skipScalar(b []byte, i int) int {
	switch at(b, i) {
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	default:
		return skipNumber(b, i)
	}
}

func literal(b []byte, i int, want string) int {
	if len(b)-i < len(want) || string(b[i:i+len(want)]) != want {
		return invalid
	}
	return i + len(want)
}

func skipNumber(b []byte, i int) int {
	if at(b, i) == '-' {
		i++
	}
	if at(b, i) == '0' {
		i++
	} else if i = digits(b, i); i < 0 {
		return invalid
	}
	if at(b, i) == '.' {
		if i = digits(b, i+1); i < 0 {
			return invalid
		}
	}
	if c := at(b, i); c == 'e' || c == 'E' {
		i++
		if c = at(b, i); c == '+' || c == '-' {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits skips one digit or more.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return invalid
	}
	return i
}

// skipString skips what follows an opening quote.
func skipString(b []byte, i int) int {
	end, _ := stringEnd(b, i)
	if end < 0 {
		return invalid
	}
	return end + 1
}

// stringEnd finds the closing quote of the string whose text starts at i, and
// tells whether the text has escapes.
func stringEnd(b []byte, i int) (end int, escaped bool) {
	for i+8 <= len(b) {
		found := special(binary.LittleEndian.Uint64(b[i:]))
		if found == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(found) >> 3; b[i] == '"' {
			return i, false // most strings end here
		}
		break
	}
	return restEnd(b, i)
}

// restEnd is stringEnd for strings that are not so simple.
func restEnd(b []byte, i int) (end int, escaped bool) {
	for {
		i = plainEnd(b, i)
		switch at(b, i) {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			if i = escapeEnd(b, i+1); i < 0 {
				return invalid, true
			}
		default:
			return invalid, escaped
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special looks at eight bytes at once: the lowest bit that is set belongs to
// the first of them that does not stand for itself in a string, which are a
// quote, a backslash and the control characters.
func special(x uint64) uint64 {
	quote, slash := x^ones*'"', x^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x) & highs
}

// plainEnd finds the first byte that does not stand for itself in a string.
func plainEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		if found := special(binary.LittleEndian.Uint64(b[i:])); found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}

// escapeEnd skips what follows a backslash.
func escapeEnd(b []byte, i int) int {
	switch at(b, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for k := i + 1; k < i+5; k++ {
			if unhex(at(b, k)) < 0 {
				return invalid
			}
		}
		return i + 5
	default:
		return invalid
	}
}

// nests tells whether the text starts as an object or an array does. Only
// those count as JSON: a number, a string or null by itself is plain text
// (FILT-71).
func nests(b []byte) bool {
	c := at(b, space(b, 0))
	return c == '{' || c == '['
}

// valid tells whether the whole text is JSON, UTF-8 apart.
func valid(b []byte) bool {
	i := skipValue(b, space(b, 0), maxDepth)
	return i >= 0 && space(b, i) == len(b)
}
