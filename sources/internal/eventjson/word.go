package eventjson

import (
	"encoding/binary"
	"math/bits"
)

// Text is worked on in words of eight bytes. A word without a character that
// must be escaped is copied whole; any other word is expanded with a table, each
// byte of it without a branch, since bodies are often JSON and full of quotes.

const (
	wordSize = 8
	ones     = 0x0101010101010101
	highs    = ones * 0x80
	lows     = ones * 0x7f
	spaces   = ones * ' '

	// window is how much room expand takes at most: eight escapes of six
	// bytes, each written as eight, up to a power of two for the masked index.
	window = offsets + 1 + wordSize

	// offsets masks an offset in the window, so that the compiler knows it to
	// be within bounds.
	offsets = 63
)

// appendUntil appends s, escaped, up to its end or to the first word or byte
// that has a bit of stop, and returns what is left of s from there.
func appendUntil(dst []byte, s string, stop uint64) ([]byte, string) {
	for {
		dst, s = appendWords(dst, s, stop)
		if s == "" {
			return dst, s
		}

		// Little room, or a stop near: one word's worth byte by byte.
		for range min(len(s), wordSize) {
			if uint64(s[0])&stop != 0 {
				return dst, s
			}
			dst = appendEscaped(dst, s[0])
			s = s[1:]
		}
	}
}

// appendWords does the work of appendUntil while dst has room for a window. It
// allocates nothing.
func appendWords(dst []byte, text string, stop uint64) ([]byte, string) {
	out := dst[len(dst):cap(dst)]
	for len(text) >= wordSize && len(out) >= window {
		w := load(text)
		if unlike(w, stop) == 0 {
			binary.LittleEndian.PutUint64(out, w)
			out = out[wordSize:]
			text = text[wordSize:]
			continue
		}
		if w&stop != 0 {
			return dst[:cap(dst)-len(out)], text
		}
		out = out[expand((*[window]byte)(out), w):]
		text = text[wordSize:]

		// Escapes come in flocks: the next word is not even looked at.
		if len(text) < wordSize || len(out) < window || load(text)&stop != 0 {
			continue
		}
		out = out[expand((*[window]byte)(out), load(text)):]
		text = text[wordSize:]
	}
	if len(text) > 0 && len(text) < wordSize && len(out) >= window {
		if w := loadShort(text); w&stop == 0 {
			out = out[expand((*[window]byte)(out), w)-(wordSize-len(text)):]
			text = ""
		}
	}
	return dst[:cap(dst)-len(out)], text
}

// sizeUntil returns how many bytes appendUntil appends, and what it leaves.
func sizeUntil(s string, stop uint64) (int, string) {
	size := 0
	for len(s) >= wordSize {
		w := load(s)
		switch {
		case ((w-spaces)|w)&highs == 0:
			size += wordSize + escapes(w)
		case w&stop != 0:
			return sizeBytes(size, s, stop)
		default: // control characters, or part of a longer UTF-8 sequence
			size += expandedSize(w)
		}
		s = s[wordSize:]
	}
	return sizeBytes(size, s, stop)
}

// sizeBytes does the work of sizeUntil byte by byte, and adds it to size.
func sizeBytes(size int, s string, stop uint64) (int, string) {
	for len(s) > 0 && uint64(s[0])&stop == 0 {
		size += escapedSize(s[0])
		s = s[1:]
	}
	return size, s
}

// load returns the first eight bytes of s, the first one lowest.
func load(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// loadShort returns s, shorter than eight bytes, with spaces behind.
func loadShort(s string) uint64 {
	w := uint64(spaces)
	for i := len(s) - 1; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	return w
}

// unlike tells, by not being 0, that w has a byte that must be escaped or a bit
// of stop. Flipping bit 1 puts the quotation mark right behind the control
// characters, so that one comparison finds both.
func unlike(w, stop uint64) uint64 {
	quoteOrControl := (w ^ ones*2) - ones*0x21
	backslash := (w ^ ones*'\\') - ones
	return (quoteOrControl|backslash)&^w&highs | w&stop
}

// escapes returns how many quotation marks and backslashes are in w, all whose
// bytes are printable ASCII. In each byte only these two carry nothing into the
// top bit.
func escapes(w uint64) int {
	plain := ((w ^ ones*'"') + lows) & ((w ^ ones*'\\') + lows)
	return wordSize - bits.OnesCount64(plain&highs)
}
