package filter

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// folded is a text that is compared without regard to case: a character
// equals itself and its simple upper and lower case form (FILT-27).
type folded struct {
	runes []rune
	// lower and upper are the forms of runes.
	lower, upper []rune
}

func fold(text string) folded {
	f := folded{runes: []rune(text)}
	for _, r := range f.runes {
		f.lower = append(f.lower, unicode.ToLower(r))
		f.upper = append(f.upper, unicode.ToUpper(r))
	}
	return f
}

func (f *folded) is(i int, r rune) bool {
	return r == f.runes[i] || r == f.lower[i] || r == f.upper[i]
}

func (f *folded) equals(text []byte) bool { return f.end(text) == len(text) }

func (f *folded) begins(text []byte) bool { return f.end(text) >= 0 }

// end is where the beginning of text ends that equals f; negative if none.
func (f *folded) end(text []byte) int {
	at := 0
	for i := range f.runes {
		r, size := utf8.DecodeRune(text[at:])
		if size == 0 || !f.is(i, r) {
			return -1
		}
		at += size
	}
	return at
}

func (f *folded) ends(text []byte) bool {
	for i := range slices.Backward(f.runes) {
		r, size := utf8.DecodeLastRune(text)
		if size == 0 || !f.is(i, r) {
			return false
		}
		text = text[:len(text)-size]
	}
	return true
}
