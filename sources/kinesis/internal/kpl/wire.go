package kpl

import "encoding/binary"

// Kinds of fields, by protobuf's wire types. Groups, which are long out of use, are
// none that is known.
const (
	kindVarint  = 0
	kindFixed64 = 1
	kindBytes   = 2
	kindFixed32 = 5
)

// field is a field of a message. value is of kindVarint, bytes of kindBytes.
type field struct {
	number uint64
	kind   uint64
	value  uint64
	bytes  []byte
}

// next takes the first field off a message. It reports false if there is none.
func next(message []byte) (field, []byte, bool) {
	const (
		kindBits  = 3
		maxNumber = 1<<29 - 1
		size32    = 4
		size64    = 8
	)
	tag, n := binary.Uvarint(message)
	if n <= 0 {
		return field{}, nil, false
	}
	first := field{number: tag >> kindBits, kind: tag & (1<<kindBits - 1)}
	if first.number == 0 || first.number > maxNumber {
		return field{}, nil, false
	}
	message = message[n:]
	size := uint64(0)
	switch first.kind {
	case kindVarint, kindBytes:
		first.value, n = binary.Uvarint(message)
		if n <= 0 {
			return field{}, nil, false
		}
		message = message[n:]
	case kindFixed64:
		size = size64
	case kindFixed32:
		size = size32
	default:
		return field{}, nil, false
	}
	if first.kind == kindBytes {
		size = first.value
	}
	if size > uint64(len(message)) {
		return field{}, nil, false
	}
	first.bytes = message[:size:size]
	return first, message[size:], true
}
