package kinesistest

import "math/big"

const (
	// firstNumber is after which the sequence numbers of a stream begin: it has
	// 56 digits, which are more than any machine word holds (KIN-51).
	firstNumber = "49667000000000000000000000000000000000000000000000000000"
	// maxDigits is how long a sequence number may be (KIN-51).
	maxDigits = 129
)

// numbering makes the sequence numbers of a stream. Within the fake a number
// is what it is more than the first one.
type numbering struct {
	first string
	value *big.Int
}

// newNumbering returns the numbering that begins after first.
func newNumbering(first string) (numbering, bool) {
	value, ok := parseDecimal(first)
	return numbering{first: first, value: value}, ok
}

// parseDecimal reads a number without a sign and without leading zeros.
func parseDecimal(text string) (*big.Int, bool) {
	if !isDecimal(text, maxDigits) {
		return nil, false
	}
	return new(big.Int).SetString(text, 10)
}

// isDecimal says whether a text is such a number, of so many digits at most.
func isDecimal(text string, digits int) bool {
	if text == "" || len(text) > digits || text[0] == '0' && text != "0" {
		return false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// checkNumber holds a sequence number, if there is one, to its form.
func checkNumber(parameter string, number *string) error {
	if number == nil || isDecimal(*number, maxDigits) {
		return nil
	}
	return invalid(parameter, `Member must satisfy regular expression pattern: 0|([1-9]\d{0,128})`)
}

// text is the sequence number of n, added digit by digit.
func (b numbering) text(n uint64) string {
	var room [maxDigits + 21]byte
	at := len(room)
	carry := n
	for i := len(b.first) - 1; i >= 0 || carry > 0; i-- {
		digit := carry % 10
		carry /= 10
		if i >= 0 {
			digit += uint64(b.first[i] - '0')
		}
		carry += digit / 10
		at--
		room[at] = byte('0' + digit%10)
	}
	return string(room[at:])
}

// parse reads a sequence number. One that is less than any of the stream, or
// greater than a uint64 away, is none of it.
func (b numbering) parse(text string) (uint64, bool) {
	value, ok := parseDecimal(text)
	if !ok {
		return 0, false
	}
	value.Sub(value, b.value)
	return value.Uint64(), value.IsUint64()
}
