package sqstest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
)

// selection is which attributes a receive asked for.
type selection struct {
	system []string // names, or All
	own    []string // names, All, or prefixes with .*
}

func (r *receiveMessage) selection() selection {
	return selection{system: slices.Concat(r.SystemNames, r.OldNames), own: r.AttributeNames}
}

// ownAll says whether every message attribute is wanted.
func (sel selection) ownAll() bool {
	return slices.Contains(sel.own, "All") || slices.Contains(sel.own, ".*")
}

// ownOf returns the wanted attributes and their checksum.
func (sel selection) ownOf(p *payload) ([]attribute, string) {
	switch {
	case len(sel.own) == 0 || len(p.attributes) == 0:
		return nil, ""
	case sel.ownAll():
		return p.attributes, p.attrDigest
	}
	list := slices.DeleteFunc(slices.Clone(p.attributes), func(a attribute) bool { return !sel.wants(a.name) })
	return list, attributesDigest(list)
}

func (sel selection) wants(name string) bool {
	return slices.ContainsFunc(sel.own, func(pattern string) bool {
		prefix, isPrefix := strings.CutSuffix(pattern, ".*")
		return pattern == name || isPrefix && strings.HasPrefix(name, prefix)
	})
}

// appendMessages appends the answer to a ReceiveMessage. It is written by hand
// since the fake must cost little beside the client that is measured on it.
func appendMessages(dst []byte, messages []delivery, sel selection) []byte {
	if len(messages) == 0 {
		return append(dst, "{}"...)
	}
	size := 0
	for i := range messages {
		size += len(messages[i].body)
	}
	dst = slices.Grow(dst, size+size/8+640*len(messages))
	dst = append(dst, `{"Messages":[`...)
	for i := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMessage(dst, &messages[i], sel)
	}
	return append(dst, "]}"...)
}

func appendMessage(dst []byte, m *delivery, sel selection) []byte {
	dst = append(dst, `{"MessageId":"`...)
	dst = append(dst, m.id...)
	dst = append(dst, `","ReceiptHandle":"`...)
	dst = append(dst, m.handle.String()...)
	dst = append(dst, `","MD5OfBody":"`...)
	dst = append(dst, m.digest...)
	dst = append(dst, `","Body":`...)
	dst = appendString(dst, m.body)
	if len(sel.system) > 0 {
		dst = append(dst, `,"Attributes":`...)
		dst = appendSystem(dst, m, sel.system)
	}
	if own, sum := sel.ownOf(m.payload); len(own) > 0 {
		dst = append(dst, `,"MD5OfMessageAttributes":"`...)
		dst = append(dst, sum...)
		dst = append(dst, `","MessageAttributes":`...)
		dst = appendOwn(dst, own)
	}
	return append(dst, '}')
}

// appendSystem appends the wanted attributes that the message has (SQS-93..95).
func appendSystem(dst []byte, m *delivery, names []string) []byte {
	all := slices.Contains(names, "All")
	open := len(dst)
	add := func(name, value string) {
		if value == "" || !all && !slices.Contains(names, name) {
			return
		}
		dst = append(dst, ',', '"')
		dst = append(dst, name...)
		dst = append(dst, '"', ':')
		dst = appendString(dst, value)
	}
	add("SenderId", senderID)
	add("SentTimestamp", millis(m.sent))
	add("ApproximateReceiveCount", strconv.Itoa(m.receives))
	add("ApproximateFirstReceiveTimestamp", millis(m.first))
	add("SequenceNumber", m.sequence)
	add("MessageGroupId", m.group)
	add("MessageDeduplicationId", m.dedup)
	add("AWSTraceHeader", m.trace)
	add("DeadLetterQueueSourceArn", m.source)
	if len(dst) == open {
		return append(dst, "{}"...)
	}
	dst[open] = '{' // in place of the first comma
	return append(dst, '}')
}

func appendOwn(dst []byte, own []attribute) []byte {
	for i, a := range own {
		dst = append(dst, "{,"[min(i, 1)])
		dst = appendString(dst, a.name)
		dst = append(dst, `:{"DataType":`...)
		dst = appendString(dst, a.value.DataType)
		if a.value.StringValue != nil {
			dst = append(dst, `,"StringValue":`...)
			dst = appendString(dst, *a.value.StringValue)
		} else {
			dst = append(dst, `,"BinaryValue":"`...)
			dst = base64.StdEncoding.AppendEncode(dst, a.value.BinaryValue)
			dst = append(dst, '"')
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// appendString appends a JSON string. Runs of plain bytes are copied whole.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue // also within runes: sends let only UTF-8 in
		}
		dst = append(dst, text[start:i]...)
		dst = appendEscaped(dst, c)
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		const digits = "0123456789abcdef"
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
}
