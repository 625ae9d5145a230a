package dynamodbstreamstest

import (
	"cmp"
	"hash/fnv"
	"math"
)

// hashRange is the hashes of items, from the first to the last, whose changes a
// shard has. The service does not tell them.
type hashRange struct{ from, to uint64 }

func whole() hashRange { return hashRange{to: math.MaxUint64} }

func hashOf(key string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	const spread = 0x9e3779b97f4a7c15
	return h.Sum64() * spread
}

func (r hashRange) has(hash uint64) bool { return r.from <= hash && hash <= r.to }

func (r hashRange) compare(other hashRange) int { return cmp.Compare(r.from, other.from) }

// divide makes n ranges of about the same size of it.
func (r hashRange) divide(n int) []hashRange {
	list := make([]hashRange, n)
	step := (r.to - r.from) / uint64(n) //nolint:gosec // at least 1
	for i := range list {
		list[i] = hashRange{from: r.from + step*uint64(i), to: r.from + step*uint64(i+1) - 1}
	}
	list[n-1].to = r.to
	return list
}
