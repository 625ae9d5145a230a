package kinesistest

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

// FuzzNumber adds to first numbers digit by digit, and takes them back.
func FuzzNumber(f *testing.F) {
	f.Add("0", uint64(0))
	f.Add(strings.Repeat("9", 100), uint64(1))
	f.Add("5", ^uint64(0))
	f.Add(firstNumber, uint64(12345))
	f.Fuzz(func(t *testing.T, first string, n uint64) {
		b, ok := newNumbering(first)
		value, isNumber := new(big.Int).SetString(first, 10)
		if want := isNumber && value.Sign() >= 0 && value.String() == first && len(first) <= maxDigits; ok != want {
			t.Fatalf("first number %q: %v, want %v", first, ok, want)
		}
		if !ok || len(first) > 100 {
			return
		}
		text := b.text(n)
		if want := value.Add(value, new(big.Int).SetUint64(n)).String(); text != want {
			t.Fatalf("%s + %d = %s, want %s", first, n, text, want)
		}
		if back, ok := b.parse(text); !ok || back != n {
			t.Fatalf("%s is %d, %v, want %d", text, back, ok, n)
		}
	})
}

// FuzzHash reads hash keys and counts on and back.
func FuzzHash(f *testing.F) {
	f.Add("0")
	f.Add("18446744073709551615")
	f.Add("340282366920938463463374607431768211455")
	f.Add("340282366920938463463374607431768211456")
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parseHash(text)
		if !ok {
			return
		}
		if h.String() != text || h.after().before() != h || h.before().after() != h {
			t.Fatalf("%s is %s, then %s, before %s", text, h, h.after(), h.before())
		}
		if h != maxHash() && h.after().compare(h) <= 0 {
			t.Fatalf("%s is not after %s", h.after(), h)
		}
	})
}

// FuzzIterator reads what is no iterator, and what is.
func FuzzIterator(f *testing.F) {
	it := iterator{stream: 1, shard: 2, next: 3, created: time.Unix(4, 5)}
	f.Add(it.String())
	f.Add(tokenPrefix)
	f.Add("AAAAAAAAAA////")
	f.Fuzz(func(t *testing.T, text string) {
		if it, ok := parseIterator(text); ok && it.String() != text {
			t.Fatalf("%q is %+v, which is %q", text, it, it)
		}
		if p, err := parsePage(text, time.Now()); err == nil && p.Created == 0 {
			t.Fatalf("%q is a page without an age", text)
		}
	})
}

// Ranges of hash keys cover all of them, for any number of shards.
func TestDivide(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 1_000, 99_999} {
		ranges := divide(n)
		next := hashKey{}
		for i, r := range ranges {
			if r.from != next || r.from.compare(r.to) > 0 {
				t.Fatalf("range %d of %d is %s to %s, want it from %s", i, n, r.from, r.to, next)
			}
			next = r.to.after()
		}
		if len(ranges) != n || ranges[n-1].to != maxHash() {
			t.Errorf("%d ranges, to %s", len(ranges), ranges[n-1].to)
		}
	}
}

func TestARN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"arn:aws:kinesis:eu-west-1:1:stream/s":                true,
		"arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:12":  true,
		"arn:aws:kinesis:eu-west-1:1:stream/":                 false,
		"arn:aws:kinesis:eu-west-1:1:stream/s/consumer/":      false,
		"arn:aws:kinesis:eu-west-1:1:stream/s/x/c":            false,
		"arn:aws:kinesis:eu-west-1:1:table/s":                 false,
		"arn:aws:sqs:eu-west-1:1:s":                           false,
		"arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:1/x": false,
		"arn:aws-cn:kinesis:cn-north-1:1:stream/s":            true,
		"": false,
	} {
		n, ok := parseARN(text)
		if ok != want || ok && n.streamARN() == "" {
			t.Errorf("%s is %+v, %v", text, n, ok)
		}
	}
}
