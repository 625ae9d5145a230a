package eventjson

import (
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

	// Six bytes become eight characters at a time, and so much several times
	// in a row.
	stepIn  = 6
	stepOut = 8
	steps   = 4
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
	for len(b) >= steps*stepIn+2 && len(out) >= steps*stepOut {
		binary.LittleEndian.PutUint64(out, encode(binary.BigEndian.Uint64(b)))
		binary.LittleEndian.PutUint64(out[stepOut:], encode(binary.BigEndian.Uint64(b[stepIn:])))
		binary.LittleEndian.PutUint64(out[2*stepOut:], encode(binary.BigEndian.Uint64(b[2*stepIn:])))
		binary.LittleEndian.PutUint64(out[3*stepOut:], encode(binary.BigEndian.Uint64(b[3*stepIn:])))
		out = out[steps*stepOut:]
		b = b[steps*stepIn:]
	}
	for len(b) >= stepIn+2 && len(out) >= stepOut {
		binary.LittleEndian.PutUint64(out, encode(binary.BigEndian.Uint64(b)))
		out = out[stepOut:]
		b = b[stepIn:]
	}
	for len(b) >= 3 && len(out) >= 4 {
		binary.LittleEndian.PutUint32(out, encodeThree(b[0], b[1], b[2]))
		out = out[4:]
		b = b[3:]
	}
	dst = dst[:cap(dst)-len(out)]
	switch len(b) {
	case 2:
		dst = binary.LittleEndian.AppendUint32(dst, encodeThree(b[0], b[1], 0)&0xffffff|'='<<24)
	case 1:
		dst = binary.LittleEndian.AppendUint32(dst, encodeThree(b[0], 0, 0)&0xffff|'='<<16|'='<<24)
	}
	return append(dst, '"')
}

// Base64Size returns how many bytes AppendBase64 appends for n bytes.
func Base64Size(n int) int { return (n+2)/3*4 + 2 }

// encode returns the eight characters of the upper six bytes of w.
func encode(w uint64) uint64 {
	const mask = pairCount - 1
	t := &pairTable
	return uint64(t[w>>52]) | uint64(t[w>>40&mask])<<16 |
		uint64(t[w>>28&mask])<<32 | uint64(t[w>>16&mask])<<48
}

// encodeThree returns the four characters of three bytes.
func encodeThree(first, second, third byte) uint32 {
	t := &pairTable
	return uint32(t[uint(first)<<4|uint(second)>>4]) | uint32(t[uint(second&0xf)<<8|uint(third)])<<16
}
