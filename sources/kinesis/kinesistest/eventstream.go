package kinesistest

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	eventStreamType = "application/vnd.amazon.eventstream"
	preludeBytes    = 12
	stringHeader    = 7 // the type of a header's value
)

// message is one message of an event stream: a prelude with two lengths and a
// checksum, headers, a payload, and a checksum of all that.
type message struct {
	headers [][2]string
	payload []byte
}

// append appends the message as it travels.
func (m message) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, preludeBytes)...)
	for _, h := range m.headers {
		dst = append(dst, byte(len(h[0])))
		dst = append(dst, h[0]...)
		dst = append(dst, stringHeader)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(h[1]))) //nolint:gosec // names, all of them short
		dst = append(dst, h[1]...)
	}
	headers := len(dst) - start - preludeBytes
	dst = append(dst, m.payload...)
	put := binary.BigEndian.PutUint32
	put(dst[start:], uint32(len(dst)-start+crc32.Size))                        //nolint:gosec // far below 4 GiB
	put(dst[start+4:], uint32(headers))                                        //nolint:gosec // as above
	put(dst[start+8:], crc32.ChecksumIEEE(dst[start:start+8]))                 // of the lengths
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:])) // of everything
}

// event is a message with an event. Every stream begins with the one that the
// SDK waits for, initial-response.
func event(kind string, payload []byte) message {
	return message{payload: payload, headers: [][2]string{
		{":event-type", kind}, {":content-type", contentType}, {":message-type", "event"},
	}}
}

// exception is the message that ends a stream with an error.
func exception(e *Error) message {
	wire := (*wirefake.Error)(e)
	kind := wire.Code()
	if kind == "InternalFailure" {
		kind = "InternalFailureException" // its name in event streams (KIN-87)
	}
	return message{payload: wire.Body(), headers: [][2]string{
		{":exception-type", kind}, {":content-type", contentType}, {":message-type", "exception"},
	}}
}

// append appends the JSON of an event (KIN-84).
func (p *pushed) append(dst []byte) []byte {
	dst = appendRecords(append(dst, '{'), p.records)
	if p.continuation != "" {
		dst = append(dst, `,"ContinuationSequenceNumber":"`...)
		dst = append(dst, p.continuation...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"MillisBehindLatest":`...)
	dst = strconv.AppendInt(dst, p.behind, 10)
	return append(appendChildren(dst, p.children), '}')
}
