package kpl

import (
	"bytes"
	"crypto/fips140"
	"crypto/md5" //nolint:gosec // the format's checksum
)

const (
	magic   = "\xf3\x89\x9a\xc2"
	sumSize = md5.Size
)

// Fields of the messages.
const (
	keyTable   = 1
	hashTable  = 2
	recordList = 3

	keyIndex    = 1
	hashIndex   = 2
	recordData  = 3
	recordTags  = 4
	tagKey      = 1
	tagValue    = 2
	bothPresent = 1<<keyIndex | 1<<recordData
)

// Record is one of the records inside. Data is a piece of the aggregated record, and
// Key belongs to the aggregate: neither is a copy.
type Record struct {
	Key  *string
	Data []byte
}

// Aggregate hands out the records of an aggregated record one by one, in their order.
// Beside the data of that one it takes 16 bytes for each of its keys and the keys
// themselves: about eight times as much at worst, for a table of empty keys. The zero
// value has no records.
type Aggregate struct {
	rest []byte // of the message
	keys []string
	left int
}

// Open checks the whole of an aggregated record, and reports false if data is none.
// The data must not change as long as the aggregate, or what it gave, is in use.
func Open(data []byte) (Aggregate, bool) {
	message, ok := message(data)
	if !ok {
		return Aggregate{}, false
	}
	keys, records, ok := survey(message)
	if !ok || records == 0 {
		return Aggregate{}, false
	}
	a := Aggregate{rest: message, keys: make([]string, 0, keys), left: records}
	for rest := message; len(rest) > 0; {
		var f field
		f, rest, _ = next(rest)
		if f.number == keyTable {
			a.keys = append(a.keys, string(f.bytes))
		}
	}
	return a, true
}

// Len is how many records are left.
func (a *Aggregate) Len() int { return a.left }

// Next returns the next record, and false if none is left.
func (a *Aggregate) Next() (Record, bool) {
	for a.left > 0 {
		var f field
		f, a.rest, _ = next(a.rest)
		if f.number != recordList {
			continue
		}
		a.left--
		if a.left == 0 {
			a.rest = nil
		}
		e, _ := parse(f.bytes)
		return Record{Key: &a.keys[e.key], Data: e.data}, true
	}
	return Record{}, false
}

// message is the message of an aggregated record, if its sum is right.
func message(data []byte) ([]byte, bool) {
	body, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok || len(body) <= sumSize {
		return nil, false
	}
	body, want := body[:len(body)-sumSize], body[len(body)-sumSize:]
	var sum [sumSize]byte

	// It finds accidents and keeps no secret, so that a strict mode need not refuse it.
	fips140.WithoutEnforcement(func() { sum = md5.Sum(body) }) //nolint:gosec // see above
	return body, bytes.Equal(sum[:], want)
}

// survey checks a message and counts its keys and its records.
func survey(message []byte) (keys, records int, ok bool) {
	var maxKey, maxHash, hashes uint64
	for len(message) > 0 {
		var f field
		f, message, ok = next(message)
		if !ok || f.number <= recordList && f.kind != kindBytes {
			return 0, 0, false
		}
		switch f.number {
		case keyTable:
			keys++
		case hashTable:
			hashes++
		case recordList:
			e, ok := parse(f.bytes)
			if !ok {
				return 0, 0, false
			}
			records++
			maxKey, maxHash = max(maxKey, e.key), max(maxHash, e.hashes)
		}
	}
	return keys, records, maxKey < uint64(keys) && maxHash <= hashes
}

// entry is a message of a record.
type entry struct {
	key    uint64 // index of its key
	hashes uint64 // how many hash keys there must be for the index of its own; 0 if it has none
	data   []byte
}

func parse(message []byte) (entry, bool) {
	var (
		e       entry
		present int
	)
	for len(message) > 0 {
		f, rest, ok := next(message)
		message = rest
		switch {
		case !ok:
		case f.number == keyIndex:
			ok, e.key = f.kind == kindVarint, f.value
		case f.number == hashIndex:
			ok, e.hashes = f.kind == kindVarint && f.value+1 != 0, f.value+1
		case f.number == recordData:
			ok, e.data = f.kind == kindBytes, f.bytes
		case f.number == recordTags:
			ok = f.kind == kindBytes && isTag(f.bytes)
		}
		if !ok {
			return entry{}, false
		}
		if f.number <= recordData {
			present |= 1 << f.number
		}
	}
	return e, present&bothPresent == bothPresent
}

// isTag reports whether a message is that of a tag: a key, and perhaps a value.
func isTag(message []byte) bool {
	hasKey := false
	for len(message) > 0 {
		f, rest, ok := next(message)
		if !ok || f.number <= tagValue && f.kind != kindBytes {
			return false
		}
		message = rest
		hasKey = hasKey || f.number == tagKey
	}
	return hasKey
}
