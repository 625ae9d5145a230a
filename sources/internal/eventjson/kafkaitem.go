package eventjson

import "encoding/json"

// ParseKafkaItem reads an itemIdentifier in the answer of a function (KAF-66):
//
//	{"partition":"orders-0","offset":100}
//
// Names of members must match to the letter, others are ignored, and of two
// with one name the last one counts. partition must be a string and not empty,
// offset a number, not below 0, without fraction and exponent; the digits of it
// in a string, as the records of failures have them, are no number. ok is false
// otherwise, and the whole batch failed (KAF-68).
func ParseKafkaItem(item []byte) (partition string, offset int64, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(item, &members) != nil {
		return "", 0, false
	}

	// Pointers, for null is no error and leaves a value as it was.
	var (
		name   *string
		number *int64
	)
	if json.Unmarshal(members["partition"], &name) != nil || name == nil || *name == "" {
		return "", 0, false
	}
	if json.Unmarshal(members["offset"], &number) != nil || number == nil || *number < 0 {
		return "", 0, false
	}
	return *name, *number, true
}
