package eventjson

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// signedTable has for each byte its text as a signed number with a comma
// behind, first byte lowest, and in the top byte how many bytes that is
// (KAF-89).
//
//nolint:gochecknoglobals // never written after it was made
var signedTable = makeSignedTable()

func makeSignedTable() [256]uint64 {
	var table [256]uint64
	for i := math.MinInt8; i <= math.MaxInt8; i++ {
		text := strconv.Itoa(i) + ","
		entry := uint64(len(text)) << lengthShift
		for at := range len(text) {
			entry |= uint64(text[at]) << (8 * at)
		}
		table[byte(i)] = entry
	}
	return table
}

// The constant stretches of a header and the comma behind it.
const (
	openHeader   = `{"`
	middleHeader = `":[`
	closeHeader  = `]},`
)

// appendHeaders appends headers, separated by commas: objects of one member,
// whose value is a list of signed bytes (KAF-89).
func appendHeaders(dst []byte, headers []KafkaHeader) []byte {
	if len(headers) == 0 {
		return dst
	}
	for i := range headers {
		header := &headers[i]
		dst = appendContent(append(dst, openHeader...), header.Key)
		dst = append(dst, middleHeader...)
		if len(header.Value) > 0 {
			dst = appendSigned(dst, header.Value)
			dst = dst[:len(dst)-1] // the comma
		}
		dst = append(dst, closeHeader...)
	}
	return dst[:len(dst)-1] // the comma again
}

// KafkaHeadersSize returns what of a record's Size is for its headers.
func KafkaHeadersSize(headers []KafkaHeader) int {
	if len(headers) == 0 {
		return 0
	}
	size := -len(`,`) // behind the last
	for i := range headers {
		header := &headers[i]
		size += len(openHeader) + contentSize(header.Key) + len(middleHeader) + len(closeHeader)
		if len(header.Value) > 0 {
			size += signedSize(header.Value) - len(`,`)
		}
	}
	return size
}

// appendSigned appends the bytes of b as signed numbers, a comma behind each.
func appendSigned(dst, b []byte) []byte {
	dst = slices.Grow(dst, len("0,")*len(b)-1)
	for {
		out := dst[len(dst):cap(dst)]
		for len(b) > 0 && len(out) >= wordSize {
			e := signedTable[b[0]]
			binary.LittleEndian.PutUint64(out, e)
			out = out[e>>lengthShift:]
			b = b[1:]
		}
		dst = dst[:cap(dst)-len(out)]
		if len(b) == 0 {
			return dst
		}

		// Little room.
		e := signedTable[b[0]]
		for range e >> lengthShift {
			dst = append(dst, byte(e))
			e >>= 8
		}
		b = b[1:]
	}
}

// signedSize returns how many bytes appendSigned appends.
func signedSize(b []byte) int {
	size := 0
	for _, c := range b {
		size += int(signedTable[c] >> lengthShift)
	}
	return size
}
