package file

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
)

const (
	// lineStart begins the first line of every version.
	lineStart = "openesm checkpoint "

	// lineSize is the length of this version's first line: version, seed, and the
	// checksum of both.
	lineSize = len(lineStart) + len("1 ssssssss cccccccc\n")

	// headSize is the length of an entry's head: the payload's length and
	// checksum, and the head's own checksum, each 4 bytes, little-endian.
	headSize = 12

	// maxPayload is the longest payload in bytes. A window's state is 1 MB at
	// most.
	maxPayload = 16 << 20
)

// format is what the first line says: checksums begin with seed, so that a piece
// of another file, or of a record in a window, is not taken for an entry.
type format struct{ seed uint32 }

func newFormat() format { return format{seed: rand.Uint32()} }

// line is the first line.
func (f format) line() []byte {
	line := fmt.Appendf(nil, "%s1 %08x ", lineStart, f.seed)
	return fmt.Appendf(line, "%08x\n", format{}.sum(line))
}

// parseLine reads the first line. begun is false if there is nothing but a piece
// of it: then no entry was ever written.
func parseLine(path string, data []byte) (f format, begun bool, err error) {
	start := lineStart + "1 "
	if len(data) < lineSize && strings.HasPrefix(start, string(data[:min(len(data), len(start))])) {
		return f, false, nil
	}
	if len(data) < len(start) || string(data[:len(lineStart)]) != lineStart {
		return f, false, damaged(path, 0, "it does not begin with %q", lineStart)
	}
	version, _, _ := strings.Cut(string(data[len(lineStart):min(len(data), lineSize)]), " ")
	if version != "1" {
		return f, false, damaged(path, 0, "version %q is not known; a newer release may have written it", version)
	}
	_, err = fmt.Sscanf(string(data[len(start):len(start)+8]), "%08x", &f.seed)
	if err != nil || string(f.line()) != string(data[:lineSize]) {
		return f, false, damaged(path, 0, "the first line is damaged")
	}
	return f, true, nil
}

// openEntry begins an entry: the payload is to be appended to what it returns.
func openEntry(dst []byte) []byte { return append(dst, make([]byte, headSize)...) }

// closeEntry fills in the head of an entry.
func (f format) closeEntry(entry []byte) error {
	head, payload := entry[:headSize], entry[headSize:]
	if len(payload) > maxPayload {
		return fmt.Errorf("lease takes %d bytes, the most is %d", len(payload), maxPayload)
	}
	binary.LittleEndian.PutUint32(head, uint32(len(payload))) //nolint:gosec // bounded above
	binary.LittleEndian.PutUint32(head[4:], f.sum(payload))
	binary.LittleEndian.PutUint32(head[8:], f.sum(head[:8]))
	return nil
}

// entry returns the payload of the whole entry that data begins with, nil if it
// begins with none.
func (f format) entry(data []byte) []byte {
	if len(data) < headSize || f.sum(data[:8]) != binary.LittleEndian.Uint32(data[8:]) {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(data))
	if size == 0 || size > maxPayload || size > int64(len(data)-headSize) {
		return nil
	}
	payload := data[headSize : headSize+size]
	if f.sum(payload) != binary.LittleEndian.Uint32(data[4:]) {
		return nil
	}
	return payload
}

func (f format) sum(data []byte) uint32 {
	return crc32.Update(f.seed, crc32.MakeTable(crc32.Castagnoli), data)
}

// scan gives each entry's payload to keep, and returns where the last whole one
// ends. What follows is a write that was cut short, and holds no whole entry; if
// it does, the log is damaged in its middle.
func (f format) scan(path string, data []byte, keep func(payload []byte) error) (end int, err error) {
	end = lineSize
	for {
		payload := f.entry(data[end:])
		if payload == nil {
			break
		}
		if err := keep(payload); err != nil {
			return end, damaged(path, end, "%v", err)
		}
		end += headSize + len(payload)
	}
	for i := end + 1; i+headSize < len(data); i++ {
		if f.entry(data[i:]) != nil {
			return end, damaged(path, end, "the entry is damaged, and whole ones follow from offset %d on", i)
		}
	}
	return end, nil
}
