package filter

import (
	"bytes"
	"errors"
	"fmt"
)

// wildcard is a text with asterisks that stand for any text, also none: the
// parts between them.
type wildcard struct {
	parts [][]byte
}

var (
	errStars  = errors.New(`"**" is not allowed`)
	errEscape = errors.New(`it ends with a backslash`)
)

// newWildcard reads a wildcard. A backslash goes before an asterisk or a
// backslash that stands for itself.
func newWildcard(text string) (wildcard, error) {
	w := wildcard{parts: [][]byte{nil}}
	last := &w.parts[0]
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '*':
			if len(w.parts) > 1 && len(*last) == 0 {
				return w, errStars
			}
			w.parts = append(w.parts, nil)
			last = &w.parts[len(w.parts)-1]
		case '\\':
			i++
			if i == len(text) {
				return w, errEscape
			}
			if text[i] != '*' && text[i] != '\\' {
				return w, fmt.Errorf("%q is no escape", text[i-1:i+1])
			}
			*last = append(*last, text[i])
		default:
			*last = append(*last, c)
		}
	}
	return w, nil
}

// matches takes each part at the first place where it fits: no later one
// leaves more room for the rest.
func (w *wildcard) matches(text []byte) bool {
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if len(w.parts) == 1 {
		return bytes.Equal(text, first)
	}
	if len(text) < len(first)+len(last) || !bytes.HasPrefix(text, first) || !bytes.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range w.parts[1 : len(w.parts)-1] {
		i := bytes.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
