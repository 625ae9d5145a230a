package eventjson

import (
	"slices"
	"unicode/utf8"
	"unsafe"
)

// AppendString appends s as a JSON string with its quotes. Quotation marks,
// backslashes and control characters are escaped, nothing else is; what is not
// valid UTF-8 becomes \ufffd, byte by byte, as encoding/json does. If dst has
// room for StringSize(s) bytes nothing is allocated.
func AppendString(dst []byte, s string) []byte {
	return append(appendContent(append(dst, '"'), s), '"')
}

// AppendStringBytes is AppendString for bytes.
func AppendStringBytes(dst, s []byte) []byte {
	return AppendString(dst, view(s))
}

// StringSize returns how many bytes AppendString appends for s.
func StringSize(s string) int { return contentSize(s) + 2 }

// view returns b as a string without copying it. The callers only read it, and
// let go of it before they return.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// appendContent appends what stands between the quotes of s.
func appendContent(dst []byte, s string) []byte {
	dst, rest := appendUntil(slices.Grow(dst, len(s)), s, highs)
	if rest == "" {
		return dst
	}
	if utf8.ValidString(rest) {
		dst, _ = appendUntil(dst, rest, 0)
		return dst
	}
	return appendRunes(dst, rest)
}

// contentSize returns the length of what stands between the quotes of s.
func contentSize(s string) int {
	n, rest := sizeUntil(s, highs)
	if rest == "" {
		return n
	}
	if utf8.ValidString(rest) {
		more, _ := sizeUntil(rest, 0)
		return n + more
	}
	return n + sizeRunes(rest)
}

// invalid is written for a byte that is not part of valid UTF-8.
const invalid = `\ufffd`

// appendRunes is the slow way, for text that is not valid UTF-8.
func appendRunes(dst []byte, s string) []byte {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case n > 1:
			dst = append(dst, s[:n]...)
		case r == utf8.RuneError:
			dst = append(dst, invalid...)
		default:
			dst = appendEscaped(dst, s[0])
		}
		s = s[n:]
	}
	return dst
}

// sizeRunes returns how many bytes appendRunes appends.
func sizeRunes(s string) int {
	size := 0
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case n > 1:
			size += n
		case r == utf8.RuneError:
			size += len(invalid)
		default:
			size += escapedSize(s[0])
		}
		s = s[n:]
	}
	return size
}

// bytesOf returns s as bytes without copying it. The callers only read them, and let go of
// them before they return.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
