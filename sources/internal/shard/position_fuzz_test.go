package shard

import (
	"math/big"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
)

// FuzzCompareSequence holds the order of sequence numbers to that of big integers.
func FuzzCompareSequence_KIN51(f *testing.F) {
	f.Add("9", "10")
	f.Add("0", "000")
	f.Add("49667000000000000000000000000000000001234567890123456789", "49667000000000000000000000000000000001234567890123456790")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, ok := decimal(a)
		y, also := decimal(b)
		if !ok || !also {
			t.Skip()
		}
		if got, want := CompareSequence(a, b), x.Cmp(y); got != want {
			t.Errorf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}

func decimal(text string) (*big.Int, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return nil, false
	}
	return new(big.Int).SetString(text, 10)
}

// FuzzBehind holds the order of positions to that of big integers, with marks before
// everything (KIN-51, KIN-213).
func FuzzBehind(f *testing.F) {
	f.Add("5", int64(0), "5", int64(1))
	f.Add("LATEST", int64(0), "7", int64(0))
	f.Add("7", int64(0), "TRIM_HORIZON", int64(0))
	f.Add("10", int64(0), "9", int64(3))
	f.Fuzz(func(t *testing.T, a string, aSub int64, b string, bSub int64) {
		p, q := checkpoint.Position{Sequence: a, SubSequence: aSub}, checkpoint.Position{Sequence: b, SubSequence: bSub}
		x, aNumber := decimal(a)
		y, bNumber := decimal(b)
		if !aNumber && !IsMark(p) || !bNumber && !IsMark(q) {
			t.Skip()
		}
		want := aNumber && (!bNumber || x.Cmp(y) > 0 || x.Cmp(y) == 0 && aSub > bSub)
		if got := behind(p, q); got != want {
			t.Errorf("%+v behind %+v: %t, want %t", p, q, got, want)
		}
		if behind(p, q) && behind(q, p) || behind(p, p) {
			t.Errorf("%+v and %+v lie behind each other", p, q)
		}
	})
}
