package sqstest

import (
	"regexp"
	"strconv"
	"strings"
)

const (
	maxIdentifier    = 128 // characters of group, deduplication and attempt IDs
	maxAttributeName = 256 // characters, also of an attribute's type
	maxDigits        = 38  // of a Number
	minPower         = -128
	maxPower         = 126 // of ten, in a Number
)

// checkIdentifier holds an ID that a caller may leave out to its rules: letters, digits
// and punctuation of ASCII.
func checkIdentifier(parameter, id string) error {
	legal := len(id) <= maxIdentifier
	for _, c := range []byte(id) {
		legal = legal && c > ' ' && c <= '~'
	}
	if legal {
		return nil
	}
	return invalidParameter("Value " + id + " for parameter " + parameter + " is invalid. Reason: " + parameter +
		" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
}

// checkAttributeName holds the name of a message attribute to its rules.
func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	reason := ""
	switch {
	case name == "" || len(name) > maxAttributeName:
		reason = "must have 1 to 256 characters"
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		reason = "starts with a reserved prefix, AWS. or Amazon."
	case name[0] == '.' || name[len(name)-1] == '.' || strings.Contains(name, ".."):
		reason = "must not start or end with a period, or have periods in succession"
	}
	for _, c := range []byte(name) {
		if !isNameByte(c) && c != '.' {
			reason = "can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters"
		}
	}
	if reason == "" {
		return nil
	}
	return invalidParameter("Message attribute name '" + name + "' is invalid: it " + reason + ".")
}

// number is how a Number may be written.
var number = regexp.MustCompile(`^[+-]?([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,9}))?$`)

// isNumber says whether a text is a Number: up to 38 digits, between 10^-128 and
// 10^126, zeros at both ends apart.
func isNumber(text string) bool {
	part := number.FindStringSubmatch(text)
	if part == nil || part[1]+part[2] == "" {
		return false
	}
	power, _ := strconv.Atoi(part[3]) // "" is 0
	digits := strings.TrimLeft(part[1]+part[2], "0")
	power += len(digits) - len(part[2]) // 0.digits times ten to the power
	digits = strings.TrimRight(digits, "0")
	return digits == "" || len(digits) <= maxDigits && power > minPower && power <= maxPower
}
