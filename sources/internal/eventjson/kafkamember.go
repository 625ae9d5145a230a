package eventjson

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/openesm/openesm/sources"
)

// KafkaMembers are the members of a record besides its value. Its key and the values
// of its headers, whose names are the sender's, may be texts or JSON.
func KafkaMembers() []sources.Member {
	return []sources.Member{
		{Name: "topic", Kind: sources.Text},
		{Name: "partition", Kind: sources.Number},
		{Name: "offset", Kind: sources.Number},
		{Name: "timestamp", Kind: sources.Number},
		{Name: "timestampType", Kind: sources.Text},
		{Name: "key"},
		{Name: "headers", Kind: sources.Object, Members: []sources.Member{{}}},
	}
}

// AppendKafkaMember appends a member of r and a comma, as filter patterns see it. The
// key is as the value is: JSON, or a text. The headers are one object, with those of
// the given names, each an array of all its values. A member that r does not have is
// left out.
func AppendKafkaMember(dst []byte, r *KafkaRecord, name string, headers []string) []byte {
	const decimal = 10
	switch name {
	case "topic":
		dst = append(appendContent(append(dst, openTopic[len(`{`):]...), r.Topic), '"')
	case "partition":
		dst = strconv.AppendInt(append(dst, openPartition[len(`",`):]...), int64(r.Partition), decimal)
	case "offset":
		dst = strconv.AppendInt(append(dst, openOffset[len(`,`):]...), r.Offset, decimal)
	case "timestamp":
		dst = strconv.AppendInt(append(dst, openTimestamp[len(`,`):]...), r.timestamp(), decimal)
	case "timestampType":
		dst = append(dst, r.TimestampType.member()[len(`,`):]...)
	case "key":
		if r.Key == nil {
			return dst
		}
		dst = appendBody(append(dst, openKey[len(`,`):]...), r.Key)
	case "headers":
		dst = appendNamed(append(dst, `"headers":{`...), r.Headers, headers)
	default:
		return dst
	}
	return append(dst, ',')
}

// appendNamed appends the headers of some names, and closes their object.
func appendNamed(dst []byte, headers []KafkaHeader, names []string) []byte {
	for _, name := range names {
		found := false
		for i := range headers {
			if headers[i].Key != name {
				continue
			}
			if !found {
				found = true
				dst = append(AppendString(dst, name), ":["...)
			}
			dst = append(appendBody(dst, headers[i].Value), ',')
		}
		if found {
			dst = append(CloseList(dst, ']'), ',')
		}
	}
	return CloseList(dst, '}')
}

// CloseList appends what closes an object or an array, in place of the comma behind its
// last member if it has any.
func CloseList(dst []byte, closing byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst = dst[:last]
	}
	return append(dst, closing)
}

// appendBody appends bytes as filter patterns see a body (FILT-71): an object or an
// array if they are JSON, otherwise a text; null if there are none.
func appendBody(dst, body []byte) []byte {
	switch {
	case body == nil:
		return append(dst, "null"...)
	case nests(body) && utf8.Valid(body) && json.Valid(body):
		return append(slices.Grow(dst, len(body)), body...)
	default:
		return AppendStringBytes(dst, body)
	}
}

// nests tells whether a text starts as an object or an array does.
func nests(text []byte) bool {
	for _, c := range text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '{' || c == '['
		}
	}
	return false
}
