package eventjson

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// pairTable has the two characters, the first one lowest, of any twelve bits.
//
//nolint:gochecknoglobals // never written after it was made
var pairTable = makePairTable()

const (
	pairBits  = 12
	pairCount = 1 << pairBits

	// Six bytes become eight characters at a time.
	stepIn  = 6
	stepOut = 8
)

func makePairTable() [pairCount]uint16 {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

	var table [pairCount]uint16

	for i := range table {
		table[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}

	return table
}

// AppendBase64 appends b as a JSON string in the standard base64 alphabet,
// with padding and quotes. If dst has room for Base64Size(len(b)) bytes
// nothing is allocated.
func AppendBase64(dst, b []byte) []byte {
	dst = append(slices.Grow(dst, Base64Size(len(b))), '"')
	out := dst[len(dst):cap(dst)]

	// A step loads two bytes more than it encodes.
	for len(b) >= stepIn+2 && len(out) >= stepOut {
		binary.LittleEndian.PutUint64(out, encode(binary.BigEndian.Uint64(b)))
		out = out[stepOut:]
		b = b[stepIn:]
	}

	dst = base64.StdEncoding.AppendEncode(dst[:cap(dst)-len(out)], b)

	return append(dst, '"')
}

// Base64Size returns how many bytes AppendBase64 appends for n bytes.
func Base64Size(n int) int { return base64.StdEncoding.EncodedLen(n) + 2 }

// encode returns the eight characters of the upper six bytes of w.
func encode(w uint64) uint64 {
	const mask = pairCount - 1

	t := &pairTable

	return uint64(t[w>>52]) | uint64(t[w>>40&mask])<<16 |
		uint64(t[w>>28&mask])<<32 | uint64(t[w>>16&mask])<<48
}
