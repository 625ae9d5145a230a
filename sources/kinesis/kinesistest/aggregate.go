package kinesistest

import (
	"crypto/md5" //nolint:gosec // the format's checksum
	"encoding/binary"
	"slices"
)

// Aggregate returns the data of one record with these inside, as the Kinesis Producer
// Library writes it (KIN-210). Of each its Key, HashKey and Data count. That library
// puts records together that fall into one shard, and keeps the whole below the
// stream's maximum record size; Aggregate leaves both to the caller, as it does the
// key under which the whole is put.
func Aggregate(records ...Record) []byte {
	var keys, hashKeys textTable
	var list []byte
	for i := range records {
		var inner []byte
		inner = appendNumber(inner, 1, keys.index(records[i].Key))
		if hash := records[i].HashKey; hash != "" {
			inner = appendNumber(inner, 2, hashKeys.index(hash))
		}
		inner = appendBytes(inner, 3, records[i].Data)
		list = appendBytes(list, 3, inner)
	}
	var message []byte
	for _, key := range keys.list {
		message = appendBytes(message, 1, []byte(key))
	}
	for _, hash := range hashKeys.list {
		message = appendBytes(message, 2, []byte(hash))
	}
	message = append(message, list...)
	sum := md5.Sum(message) //nolint:gosec // see above
	return slices.Concat([]byte("\xf3\x89\x9a\xc2"), message, sum[:])
}

// textTable is texts without repetition.
type textTable struct {
	list   []string
	places map[string]uint64
}

// index is the place of a text, which is added if need be.
func (t *textTable) index(text string) uint64 {
	at, known := t.places[text]
	if !known {
		if t.places == nil {
			t.places = make(map[string]uint64)
		}
		at = uint64(len(t.list))
		t.places[text] = at
		t.list = append(t.list, text)
	}
	return at
}

// appendNumber appends a field of protobuf's wire type 0.
func appendNumber(dst []byte, field, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, field<<3), value)
}

// appendBytes appends a field of protobuf's wire type 2.
func appendBytes(dst []byte, field uint64, value []byte) []byte {
	dst = binary.AppendUvarint(dst, field<<3|2)
	return append(binary.AppendUvarint(dst, uint64(len(value))), value...)
}
