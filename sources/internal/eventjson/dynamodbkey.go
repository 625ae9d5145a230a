package eventjson

import (
	"slices"
	"strings"
)

// AppendKey appends the key of an item, such that equal keys are the same text and
// others are not: key attributes as DynamoDB JSON, in the order of their names (DDB-66).
// Equal numbers are one key, however they are written. If dst has room nothing is
// allocated for keys of at most two attributes, which is what items have.
func (d *DynamoDB[V]) AppendKey(dst []byte, keys map[string]V) []byte {
	const usual = 2
	var few [usual]string
	names := few[:0]
	for name := range keys {
		names = append(names, name)
	}
	if len(names) > 1 {
		slices.Sort(names)
	}
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
		value := keys[name]
		if v := d.view(value); v.Kind == DynamoDBN {
			dst = append(appendNumber(append(dst, `{"N":"`...), v.Text), `"}`...)
			continue
		}
		dst = appendValue(dst, value, d.view)
	}
	return append(dst, '}')
}

// maxExponent is more than any number of DynamoDB has, and little enough to be written
// out.
const maxExponent = 400

// appendNumber appends a decimal number in the one form that all equal ones share: no
// exponent, no sign of plus, and no zeros that do not count. What is no such number
// is appended as JSON has it in a text.
func appendNumber(dst []byte, text string) []byte {
	n, ok := parseNumber(text)
	if !ok {
		return appendContent(dst, text)
	}
	if n.digits() == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	if n.point <= 0 {
		dst = append(dst, '0')
	}
	for i := range max(n.point, 0) {
		dst = append(dst, n.digit(i))
	}
	if n.digits() <= n.point {
		return dst
	}
	dst = append(dst, '.')
	for range -n.point {
		dst = append(dst, '0')
	}
	for i := max(n.point, 0); i < n.digits(); i++ {
		dst = append(dst, n.digit(i))
	}
	return dst
}

// number is a decimal number, whose digits are those of whole and then of fraction,
// without the first skip and behind the last of them that is not 0.
type number struct {
	negative        bool
	whole, fraction string
	skip, end       int // of the digits of both
	point           int // how many of the digits left stand before the point; may be less than none
}

func (n *number) digits() int { return n.end - n.skip }

// digit is the i-th digit that counts; 0 behind the last.
func (n *number) digit(i int) byte {
	if i >= n.digits() {
		return '0'
	}
	i += n.skip
	if i < len(n.whole) {
		return n.whole[i]
	}
	return n.fraction[i-len(n.whole)]
}

// parseNumber reads a decimal number with or without a point and an exponent.
func parseNumber(text string) (number, bool) {
	var n number
	rest := text
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		n.negative = rest[0] == '-'
		rest = rest[1:]
	}
	exponent := 0
	if at := strings.IndexAny(rest, "eE"); at >= 0 {
		var ok bool
		if exponent, ok = parseExponent(rest[at+1:]); !ok {
			return n, false
		}
		rest = rest[:at]
	}
	n.whole, n.fraction, _ = strings.Cut(rest, ".")
	n.end = len(n.whole) + len(n.fraction)
	if n.end == 0 || !isDigits(n.whole) || !isDigits(n.fraction) {
		return n, false
	}
	all := number{whole: n.whole, fraction: n.fraction, end: n.end}
	for n.end > 0 && all.digit(n.end-1) == '0' {
		n.end--
	}
	for n.skip < n.end && all.digit(n.skip) == '0' {
		n.skip++
	}
	n.point = len(n.whole) + exponent - n.skip
	return n, n.point <= maxExponent && n.point >= -maxExponent
}

func parseExponent(text string) (int, bool) {
	negative := strings.HasPrefix(text, "-")
	if text != "" && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	if text == "" || !isDigits(text) {
		return 0, false
	}
	exponent := 0
	for i := range len(text) {
		exponent = min(exponent*10+int(text[i]-'0'), 10*maxExponent)
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
