package eventjson

// The constant stretches of one message attribute (SQS-97, SQS-98).
const (
	openString = `:{"stringValue":`
	openBinary = `:{"binaryValue":`
	openType   = `,"stringListValues":[],"binaryListValues":[],"dataType":`
)

// appendAttributes appends the members of messageAttributes.
func appendAttributes(dst []byte, attributes []MessageAttribute) []byte {
	for i := range attributes {
		a := &attributes[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, a.Name)
		if a.Binary {
			dst = AppendBase64(append(dst, openBinary...), a.BinaryValue)
		} else {
			dst = AppendString(append(dst, openString...), a.StringValue)
		}
		dst = append(AppendString(append(dst, openType...), a.DataType), '}')
	}
	return dst
}

// attributesSize returns how many bytes appendAttributes appends.
func attributesSize(attributes []MessageAttribute) int {
	n := max(len(attributes)-1, 0)
	for i := range attributes {
		a := &attributes[i]
		n += StringSize(a.Name) + len(openString) + len(openType) + StringSize(a.DataType) + 1
		if a.Binary {
			n += Base64Size(len(a.BinaryValue))
		} else {
			n += StringSize(a.StringValue)
		}
	}
	return n
}
