package eventjson

import "math/bits"

// powers has the powers of ten.
//
//nolint:gochecknoglobals // never written after it was made
var powers = makePowers()

func makePowers() [20]uint64 {
	const base = 10
	var table [20]uint64
	table[0] = 1
	for i := 1; i < len(table); i++ {
		table[i] = table[i-1] * base
	}
	return table
}

// intSize returns how many bytes n takes in decimal.
func intSize(n int64) int {
	size, value := 0, uint64(n) //nolint:gosec // what is below 0 is turned around
	if n < 0 {
		size, value = len("-"), -value
	}

	// This bit gives 0 a digit, and no other number another one.
	value |= 1
	const digitsPerBit, shift = 1233, 12 // log10(2), shifted
	digits := bits.Len64(value) * digitsPerBit >> shift
	if value >= powers[digits] {
		digits++
	}
	return size + digits
}
