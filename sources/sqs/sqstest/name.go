package sqstest

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// name says which queue is meant.
type name struct {
	region, account, name string
}

func (n name) arn() string  { return "arn:aws:sqs:" + n.region + ":" + n.account + ":" + n.name }
func (n name) path() string { return "/" + n.account + "/" + n.name }

// parseARN reads the ARN of a queue.
func parseARN(arn string) (name, bool) {
	part := strings.Split(arn, ":")
	if len(part) != 6 || part[0] != "arn" || part[2] != "sqs" {
		return name{}, false
	}
	return name{region: part[3], account: part[4], name: part[5]}, true
}

// queueKey returns the path of the queue that a URL, an ARN, or a bare name in
// the default account means.
func queueKey(queue string) string {
	if n, ok := parseARN(queue); ok {
		return n.path()
	}
	last := strings.LastIndexByte(queue, '/')
	if last < 0 {
		return name{account: Account, name: queue}.path()
	}
	before := strings.LastIndexByte(queue[:last], '/')
	if before < 0 {
		return "/" + queue
	}
	return queue[before:]
}

// handle is a receipt handle: which queue gave out which message at which of
// its receives.
type handle struct {
	queue, seq, receive uint64
}

const (
	handlePrefix = "AQEB"
	handleDigits = 16 // of each of the three numbers
)

func (h handle) String() string {
	text := make([]byte, 0, len(handlePrefix)+3*handleDigits)
	text = append(text, handlePrefix...)
	for _, n := range [...]uint64{h.queue, h.seq, h.receive} {
		text = appendHex(text, n)
	}
	return string(text)
}

func appendHex(dst []byte, n uint64) []byte {
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(n >> (56 - 8*i))
	}
	return hex.AppendEncode(dst, raw[:])
}

// parseHandle reads a receipt handle.
func parseHandle(text string) (handle, bool) {
	digits, ok := strings.CutPrefix(text, handlePrefix)
	if !ok || len(digits) != 3*handleDigits {
		return handle{}, false
	}
	var part [3]uint64
	for i := range part {
		n, err := strconv.ParseUint(digits[i*handleDigits:(i+1)*handleDigits], 16, 64)
		if err != nil {
			return handle{}, false
		}
		part[i] = n
	}
	return handle{queue: part[0], seq: part[1], receive: part[2]}, true
}
