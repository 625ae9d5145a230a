package memory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// attribute is the value of an attribute as event documents have it.
type attribute struct {
	eventjson.DynamoDBValue[attribute]
}

func viewOf(value attribute) eventjson.DynamoDBValue[attribute] { return value.DynamoDBValue }

// putChange puts the record of a change, whose attributes are those of the event, into
// the shard that the item's key belongs to. The caller holds mu.
func (s *Stream) putChange(kind *changes, key string, made *Change, event *eventjson.DynamoDBRecord[attribute]) string {
	if len(s.open) == 0 {
		return ""
	}
	r := &StreamRecord{Key: key, Change: made, Arrived: time.Now().Truncate(time.Second), eventID: event.EventID}
	event.ApproximateCreationDateTime, event.SequenceNumber = r.Arrived, s.nextNumber()
	event.SizeBytes = bytesOf(event.Keys) + bytesOf(event.NewImage) + bytesOf(event.OldImage)
	r.Data = kind.encoder.AppendBody(nil, event)
	return s.put(s.open[s.openIndex(hashOf(key))], r)
}

// same says whether two images are the same.
func (k *changes) same(a, b map[string]attribute) bool {
	image := func(of map[string]attribute) []byte {
		return k.encoder.AppendBody(nil, &eventjson.DynamoDBRecord[attribute]{NewImage: of})
	}
	return bytes.Equal(image(a), image(b))
}

// changeEvent is what the event document tells of a record besides its body.
func (r *StreamRecord) changeEvent() eventjson.DynamoDBRecord[attribute] {
	event := eventjson.DynamoDBRecord[attribute]{EventID: r.eventID, EventVersion: "1.1", Region: region}
	if r.Change == nil {
		return event
	}
	event.EventName = r.Change.Name
	if r.Change.Expired {
		event.IdentityType, event.PrincipalID = "Service", "dynamodb.amazonaws.com"
	}
	return event
}

// filtering tells that patterns see the change as the member dynamodb (DDB-97).
func (k *changes) filtering() sources.Filtering {
	return sources.Filtering{Key: "dynamodb", Members: eventjson.DynamoDBMembers(), AppendMetadata: k.appendMetadata}
}

func (k *changes) appendMetadata(dst []byte, _ string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := streamRecordOf(r).changeEvent()
	return k.encoder.AppendMetadata(dst, &event)
}

func (k *changes) size(_ string, r *StreamRecord) int { return len(k.append(nil, "", r)) }

// append appends a record of the document of DDB-80..91.
func (k *changes) append(dst []byte, _ string, r *StreamRecord) []byte {
	event := r.changeEvent()
	return k.encoder.AppendAround(dst, r.Data, &event)
}

// appendBatchInfo appends the DDBStreamBatchInfo of DDB-100.
func (*changes) appendBatchInfo(dst []byte, info *batchinfo.Stream) []byte {
	return batchinfo.AppendDynamoDB(dst, info)
}

// attributesOf makes attributes of Go values; nil of nil.
func attributesOf(item Item) (map[string]attribute, error) {
	if item == nil {
		return nil, nil //nolint:nilnil // no item is no error
	}
	all := make(map[string]attribute, len(item))
	for name, value := range item {
		one, err := attributeOf(value)
		if err != nil {
			return nil, fmt.Errorf("memory: table: attribute %s: %w", name, err)
		}
		all[name] = one
	}
	return all, nil
}

// numeral is a number as JSON and DynamoDB have it.
var numeral = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

func attributeOf(value any) (attribute, error) {
	var made attribute
	var err error
	switch v := value.(type) {
	case nil:
		made.Kind = eventjson.DynamoDBNULL
	case string:
		made.Kind, made.Text = eventjson.DynamoDBS, v
	case bool:
		made.Kind, made.Bool = eventjson.DynamoDBBOOL, v
	case []byte:
		made.Kind, made.Bytes = eventjson.DynamoDBB, v
	case json.Number:
		return numberOf(string(v))
	case Item:
		made.Kind = eventjson.DynamoDBM
		made.Map, err = attributesOf(v)
	case []any:
		return listOf(v)
	case []string:
		return listOf(v)
	case StringSet:
		made.Kind, made.Texts = eventjson.DynamoDBSS, v
	case NumberSet:
		made.Kind, made.Texts = eventjson.DynamoDBNS, v
		for _, text := range v {
			if _, wrong := numberOf(text); wrong != nil {
				return made, wrong
			}
		}
	case BinarySet:
		made.Kind, made.Blobs = eventjson.DynamoDBBS, v
	default:
		return goNumber(value)
	}
	return made, err
}

func listOf[T any](values []T) (attribute, error) {
	var a attribute
	a.Kind = eventjson.DynamoDBL
	for _, value := range values {
		one, err := attributeOf(value)
		if err != nil {
			return a, err
		}
		a.List = append(a.List, one)
	}
	return a, nil
}

func numberOf(text string) (attribute, error) {
	var a attribute
	a.Kind, a.Text = eventjson.DynamoDBN, text
	if !numeral.MatchString(text) {
		return a, fmt.Errorf("%q is no decimal number", text)
	}
	return a, nil
}

// goNumber makes an attribute of a number of any of Go's types.
func goNumber(value any) (attribute, error) {
	const decimal, bits = 10, 64
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return numberOf(strconv.FormatInt(v.Int(), decimal))
	case v.CanUint():
		return numberOf(strconv.FormatUint(v.Uint(), decimal))
	case v.CanFloat():
		return numberOf(strconv.FormatFloat(v.Float(), 'g', -1, bits))
	default:
		return attribute{}, fmt.Errorf("a value of the Go type %T is none that an item can have", value)
	}
}

// bytesOf is about how many bytes attributes take (DDB-86).
func bytesOf(attributes map[string]attribute) int64 {
	size := 0
	for name, value := range attributes {
		size += len(name) + valueBytes(value)
	}
	return int64(size)
}

func valueBytes(value attribute) int {
	const perNumber, nested = 2, 3
	switch value.Kind {
	case eventjson.DynamoDBN:
		return (len(value.Text)+1)/perNumber + 1
	case eventjson.DynamoDBBOOL, eventjson.DynamoDBNULL:
		return 1
	default:
	}
	size := len(value.Text) + len(value.Bytes)
	for _, text := range value.Texts {
		size += len(text)
	}
	for _, blob := range value.Blobs {
		size += len(blob)
	}
	if value.Kind == eventjson.DynamoDBM || value.Kind == eventjson.DynamoDBL {
		size += nested + int(bytesOf(value.Map)) + len(value.Map)
		for _, one := range value.List {
			size += 1 + valueBytes(one)
		}
	}
	return size
}
