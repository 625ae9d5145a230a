package filter

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends the text of a JSON string to dst. The string was read
// before and has no faults. Half a surrogate pair becomes U+FFFD, as in
// encoding/json.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if end := plainEnd(text, i); end > i {
			dst = append(dst, text[i:end]...)
			i = end
			continue
		}
		i++ // the backslash
		switch c := text[i]; c {
		case 'u':
			var r rune
			r, i = unicodeEscape(text, i+1)
			dst = utf8.AppendRune(dst, r)
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default: // stands for itself
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

// unicodeEscape reads the four digits at i, and the second half of a pair if
// they are its first.
func unicodeEscape(text []byte, i int) (r rune, end int) {
	r, end = hex4(text, i), i+4
	if !utf16.IsSurrogate(r) {
		return r, end
	}
	if at(text, end) == '\\' && at(text, end+1) == 'u' {
		if pair := utf16.DecodeRune(r, hex4(text, end+2)); pair != utf8.RuneError {
			return pair, end + 6
		}
	}
	return utf8.RuneError, end
}

func hex4(text []byte, i int) (r rune) {
	for _, c := range text[i : i+4] {
		r = r<<4 | unhex(c)
	}
	return r
}

// unhex is the value of a hexadecimal digit, or negative.
func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	default:
		return -1
	}
}
