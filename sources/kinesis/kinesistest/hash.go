package kinesistest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // Kinesis routes by MD5
	"encoding/binary"
	"math"
	"math/big"
)

// hashKey is an unsigned number of 128 bits.
type hashKey struct {
	hi, lo uint64
}

func maxHash() hashKey { return hashKey{hi: math.MaxUint64, lo: math.MaxUint64} }

// hashOf is where a partition key falls (KIN-78).
func hashOf(key string) hashKey {
	sum := md5.Sum([]byte(key)) //nolint:gosec // see above
	return hashKey{hi: binary.BigEndian.Uint64(sum[:8]), lo: binary.BigEndian.Uint64(sum[8:])}
}

// parseHash reads a decimal hash key.
func parseHash(text string) (hashKey, bool) {
	value, ok := parseDecimal(text)
	if !ok || value.BitLen() > 128 {
		return hashKey{}, false
	}
	return hashFrom(value), true
}

// hashFrom cuts a number to its lowest 128 bits.
func hashFrom(value *big.Int) hashKey {
	var raw [16]byte
	new(big.Int).And(value, maxHash().value()).FillBytes(raw[:])
	return hashKey{hi: binary.BigEndian.Uint64(raw[:8]), lo: binary.BigEndian.Uint64(raw[8:])}
}

func (h hashKey) value() *big.Int {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], h.hi)
	binary.BigEndian.PutUint64(raw[8:], h.lo)
	return new(big.Int).SetBytes(raw[:])
}

func (h hashKey) String() string { return h.value().String() }

func (h hashKey) compare(other hashKey) int {
	return cmp.Or(cmp.Compare(h.hi, other.hi), cmp.Compare(h.lo, other.lo))
}

// before is the number before h, after the one after it; both wrap around.
func (h hashKey) before() hashKey {
	if h.lo == 0 {
		h.hi--
	}
	h.lo--
	return h
}

func (h hashKey) after() hashKey {
	h.lo++
	if h.lo == 0 {
		h.hi++
	}
	return h
}

// hashRange is a range of hash keys, both ends in it.
type hashRange struct {
	from, to hashKey
	text     [2]string // of both, made once
}

func newRange(from, to hashKey) hashRange {
	return hashRange{from: from, to: to, text: [2]string{from.String(), to.String()}}
}

// divide cuts all hash keys into n ranges of one size; the last one also has
// what is left over.
func divide(n int) []hashRange {
	size := new(big.Int).Lsh(big.NewInt(1), 128)
	size.Div(size, big.NewInt(int64(n)))
	ranges := make([]hashRange, n)
	from := hashKey{}
	for i := range ranges {
		next := hashFrom(new(big.Int).Add(from.value(), size))
		to := next.before()
		if i == n-1 {
			to = maxHash()
		}
		ranges[i] = newRange(from, to)
		from = next
	}
	return ranges
}

// middle is where the upper half of the range begins.
func (k hashRange) middle() hashKey {
	sum := new(big.Int).Add(k.from.value(), k.to.value())
	sum.Add(sum, big.NewInt(1))
	return hashFrom(sum.Rsh(sum, 1))
}
