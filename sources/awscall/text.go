package awscall

import (
	"strconv"
	"strings"
)

// reason is the text of an error that is no answer of the service. The SDK's check of
// a message quotes both digests: those of bodies.
func reason(err error) string {
	text := err.Error()
	if strings.Contains(text, "checksum") {
		return "the checksum of the message is not the one that the service answers"
	}
	return Printable(text)
}

// Printable returns a text that came from outside so that it breaks no line, no
// terminal and no log: with what cannot be printed escaped, and 512 bytes of it.
func Printable(text string) string {
	const most = 512
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) {
		quoted := strconv.Quote(text)
		text = quoted[1 : len(quoted)-1]
	}
	return text
}
