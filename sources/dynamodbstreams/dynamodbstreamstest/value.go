package dynamodbstreamstest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// A number has up to 38 digits, and lies within 1E-130 and 1E126.
var numeral = regexp.MustCompile(`^[+-]?([0-9]{1,130}(\.[0-9]{0,130})?|\.[0-9]{1,130})([eE][+-]?[0-9]{1,3})?$`)

// marshal writes attributes as DynamoDB JSON, names in order.
func marshal(attributes item) (json.RawMessage, error) {
	plain, err := plainMap(attributes)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// plainMap makes of attributes what encoding/json writes as DynamoDB JSON.
func plainMap(attributes item) (map[string]any, error) {
	all := make(map[string]any, len(attributes))
	for name, value := range attributes {
		one, err := plainValue(value)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", name, err)
		}
		all[name] = one
	}
	return all, nil
}

func plainValue(value types.AttributeValue) (any, error) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return map[string]string{"S": v.Value}, nil
	case *types.AttributeValueMemberN:
		return map[string]string{"N": v.Value}, checkNumbers(v.Value)
	case *types.AttributeValueMemberB:
		return map[string][]byte{"B": append([]byte{}, v.Value...)}, nil
	case *types.AttributeValueMemberBOOL:
		return map[string]bool{"BOOL": v.Value}, nil
	case *types.AttributeValueMemberNULL:
		return map[string]bool{"NULL": v.Value}, nil
	case *types.AttributeValueMemberSS:
		return map[string][]string{"SS": v.Value}, nil
	case *types.AttributeValueMemberNS:
		return map[string][]string{"NS": v.Value}, checkNumbers(v.Value...)
	case *types.AttributeValueMemberBS:
		return map[string][][]byte{"BS": v.Value}, nil
	case *types.AttributeValueMemberM:
		all, err := plainMap(v.Value)
		return map[string]any{"M": all}, err
	case *types.AttributeValueMemberL:
		return plainList(v.Value)
	default:
		return nil, invalid(fmt.Sprintf("A value of type %T is none that an item can have.", value))
	}
}

func plainList(values []types.AttributeValue) (any, error) {
	all := make([]any, len(values))
	for i, value := range values {
		one, err := plainValue(value)
		if err != nil {
			return nil, err
		}
		all[i] = one
	}
	return map[string]any{"L": all}, nil
}

func checkNumbers(list ...string) error {
	for _, text := range list {
		if !numeral.MatchString(text) {
			return invalid("The parameter cannot be converted to a numeric value: " + text)
		}
	}
	return nil
}

// identify returns the key of an item as a text that equal keys share, and its key
// attributes.
func identify(names []string, attributes item) (id string, keys item, err error) {
	keys = make(item, len(names))
	for _, name := range names {
		keys[name] = attributes[name]
		switch v := attributes[name].(type) {
		case *types.AttributeValueMemberS:
			id += strconv.Quote("S" + v.Value)
		case *types.AttributeValueMemberB:
			id += strconv.Quote("B" + string(v.Value))
		case *types.AttributeValueMemberN:
			if err := checkNumbers(v.Value); err != nil {
				return "", nil, err
			}
			value, ok := new(big.Rat).SetString(v.Value)
			if !ok {
				return "", nil, invalid("The parameter cannot be converted to a numeric value: " + v.Value)
			}
			id += strconv.Quote("N" + value.RatString())
		default:
			return "", nil, invalid("One or more parameter values were invalid: Missing the key " + name +
				" in the item, or it is neither text, number nor binary.")
		}
	}
	return id, keys, nil
}

// size is about how many bytes a record takes (DDB-86).
func (raw *Raw) size() int {
	size := 0
	for _, image := range []json.RawMessage{raw.Keys, raw.NewImage, raw.OldImage} {
		var attributes map[string]map[string]any
		if json.Unmarshal(image, &attributes) != nil {
			size += len(image)
			continue
		}
		for name, value := range attributes {
			size += len(name) + sizeOf(value)
		}
	}
	return size
}

// sizeOf is about how many bytes a value takes, as JSON and decoded.
func sizeOf(value any) int {
	const byNumber, byElement = 2, 1
	size := 0
	switch v := value.(type) {
	case string:
		return len(v)
	case []any:
		for _, one := range v {
			size += byElement + sizeOf(one)
		}
	case map[string]any:
		if text, ok := v["N"].(string); ok {
			return (len(text)+1)/byNumber + 1
		}
		if text, ok := v["B"].(string); ok {
			return len(text) / 4 * 3
		}
		for name, one := range v {
			if len(name) > 2 || len(v) > 1 {
				size += len(name) + byElement
			}
			size += sizeOf(one)
		}
	default:
		return 1
	}
	return size
}

// eventID is the ID of an event: 32 hexadecimal digits that tell nothing (DDB-82).
func eventID(n int) string {
	const scramble = 0x9e3779b97f4a7c15
	return fmt.Sprintf("%016x%016x", uint64(n)*scramble, ^uint64(n)) //nolint:gosec // wraps
}

// append appends the JSON of the record, as GetRecords answers it.
func (raw *Raw) append(dst []byte, id, number string, size int, view types.StreamViewType) []byte {
	dst = append(append(append(dst, `{"eventID":"`...), id...), `","eventName":"`...)
	dst = append(append(dst, raw.Event...), `","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"`+Region+`"`...)
	dst = append(dst, `,"dynamodb":{"ApproximateCreationDateTime":`...)
	dst = appendSeconds(dst, raw.Created.UnixMilli())
	for _, image := range []struct {
		name string
		text json.RawMessage
	}{{"Keys", raw.Keys}, {"NewImage", raw.NewImage}, {"OldImage", raw.OldImage}} {
		if image.text != nil {
			dst = append(append(append(append(dst, `,"`...), image.name...), `":`...), image.text...)
		}
	}
	dst = append(append(append(dst, `,"SequenceNumber":"`...), number...), `","SizeBytes":`...)
	dst = append(strconv.AppendInt(dst, int64(size), 10), `,"StreamViewType":"`...)
	dst = append(append(dst, view...), `"}`...)
	if raw.Expired {
		dst = append(dst, `,"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}`...)
	}
	return append(dst, '}')
}

// appendSeconds appends milliseconds as seconds.
func appendSeconds(dst []byte, ms int64) []byte {
	if ms%1000 == 0 {
		return strconv.AppendInt(dst, ms/1000, 10)
	}
	return strconv.AppendFloat(dst, float64(ms)/1000, 'f', 3, 64)
}
