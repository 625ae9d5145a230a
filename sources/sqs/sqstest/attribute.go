package sqstest

import (
	"cmp"
	"crypto/md5" //nolint:gosec // SQS's checksums are MD5
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// attributeValue is the value of a message attribute as it travels.
type attributeValue struct {
	DataType    string  `json:"DataType"`
	StringValue *string `json:"StringValue,omitempty"`
	BinaryValue []byte  `json:"BinaryValue,omitempty"`
}

// attribute is a message attribute.
type attribute struct {
	name  string
	value attributeValue
}

// The transport types in the checksum of message attributes.
const (
	transportString = 1
	transportBinary = 2
)

// sortAttributes returns the attributes by name, the order of the checksum.
func sortAttributes(values map[string]attributeValue) []attribute {
	list := make([]attribute, 0, len(values))
	for name, value := range values {
		list = append(list, attribute{name: name, value: value})
	}
	slices.SortFunc(list, func(a, b attribute) int { return cmp.Compare(a.name, b.name) })
	return list
}

// size is what the attribute counts towards the size of its message.
func (a attribute) size() int {
	size := len(a.name) + len(a.value.DataType) + len(a.value.BinaryValue)
	if a.value.StringValue != nil {
		size += len(*a.value.StringValue)
	}
	return size
}

// check tells what SQS would not accept.
func (a attribute) check() error {
	if err := checkAttributeName(a.name); err != nil {
		return err
	}
	kind, _, _ := strings.Cut(a.value.DataType, ".")
	text := ""
	if a.value.StringValue != nil {
		text = *a.value.StringValue
	}
	empty := text == ""
	switch kind {
	case "String", "Number":
	case "Binary":
		empty = len(a.value.BinaryValue) == 0
	default:
		return invalidParameter("The type of message attribute '" + a.name +
			"' is invalid. You must use only the following supported type prefixes: Binary, Number, String.")
	}
	if empty {
		return invalidParameter("Message attribute '" + a.name +
			"' must contain a non-empty value of type '" + kind + "'.")
	}
	switch {
	case len(a.value.DataType) > maxAttributeName || !legalText(a.value.DataType):
		return invalidParameter("The type of message attribute '" + a.name + "' is invalid. It can have up to 256 characters.")
	case kind == "String" && !legalText(text):
		return invalidContents()
	case kind == "Number" && !isNumber(text):
		return invalidParameter("Can't cast the value of message attribute '" + a.name + "' to a number.")
	default:
		return nil
	}
}

// checkSystem tells what SQS would not accept of the system attributes of a send.
func checkSystem(attributes map[string]attributeValue) error {
	for name, value := range attributes {
		switch {
		case name != "AWSTraceHeader":
			return invalidParameter("Message system attribute name '" + name + "' is invalid.")
		case value.DataType != "String" || value.StringValue == nil || *value.StringValue == "":
			return invalidParameter("The message system attribute 'AWSTraceHeader' must have a non-empty value of type 'String'.")
		}
	}
	return nil
}

// attributesDigest is the MD5 of sorted attributes, "" of none: of each the
// name, the type, the transport type and the value, with their lengths.
func attributesDigest(attributes []attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var text []byte
	for _, a := range attributes {
		text = appendCounted(text, a.name)
		text = appendCounted(text, a.value.DataType)
		if a.value.StringValue != nil {
			text = append(text, transportString)
			text = appendCounted(text, *a.value.StringValue)
		} else {
			text = append(text, transportBinary)
			text = appendCounted(text, string(a.value.BinaryValue))
		}
	}
	return digest(string(text))
}

func appendCounted(dst []byte, text string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(text))) //nolint:gosec // messages are at most 1 MiB
	return append(dst, text...)
}

// digest is the MD5 of a text in hex.
func digest(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}
