package eventjson

import "encoding/binary"

// escapeTable has for each byte what is written for it, first byte lowest, and
// in the top byte how many bytes that is. Bytes of longer UTF-8 sequences stand
// for themselves.
//
//nolint:gochecknoglobals // never written after it was made
var escapeTable = makeEscapeTable()

// lengthShift moves the top byte of an entry down.
const lengthShift = 56

func makeEscapeTable() [256]uint64 {
	const hex = "0123456789abcdef"
	short := map[byte]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}
	var table [256]uint64
	for i := range table {
		c := byte(i)
		text := []byte{c}
		if letter, ok := short[c]; ok {
			text = []byte{'\\', letter}
		} else if c < ' ' {
			text = []byte{'\\', 'u', '0', '0', hex[c>>4], hex[c&0xf]}
		}
		table[i] = uint64(len(text)) << lengthShift
		for at, b := range text {
			table[i] |= uint64(b) << (8 * at)
		}
	}
	return table
}

// appendEscaped appends what is written for c.
func appendEscaped(dst []byte, c byte) []byte {
	e := escapeTable[c]
	for range e >> lengthShift {
		dst = append(dst, byte(e))
		e >>= 8
	}
	return dst
}

// escapedSize returns how many bytes appendEscaped appends.
func escapedSize(c byte) int { return int(escapeTable[c] >> lengthShift) }

// expand writes what stands for the eight bytes of w, lowest first, and
// returns how many bytes that is; behind them it leaves rubbish.
func expand(out *[window]byte, w uint64) int {
	t := &escapeTable
	n := put(out, 0, t[byte(w)])
	n = put(out, n, t[byte(w>>8)])
	n = put(out, n, t[byte(w>>16)])
	n = put(out, n, t[byte(w>>24)])
	n = put(out, n, t[byte(w>>32)])
	n = put(out, n, t[byte(w>>40)])
	n = put(out, n, t[byte(w>>48)])
	n = put(out, n, t[byte(w>>56)])
	return int(n & offsets)
}

// put writes the entry e at offset n and returns the offset behind it.
func put(out *[window]byte, n, e uint64) uint64 {
	binary.LittleEndian.PutUint64(out[n&offsets:], e)
	return n + e>>lengthShift
}

// expandedSize returns what expand would, without writing.
func expandedSize(w uint64) int {
	t := &escapeTable
	return int(t[byte(w)]>>lengthShift + t[byte(w>>8)]>>lengthShift +
		t[byte(w>>16)]>>lengthShift + t[byte(w>>24)]>>lengthShift +
		t[byte(w>>32)]>>lengthShift + t[byte(w>>40)]>>lengthShift +
		t[byte(w>>48)]>>lengthShift + t[byte(w>>56)]>>lengthShift)
}
