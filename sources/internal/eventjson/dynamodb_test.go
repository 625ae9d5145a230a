package eventjson_test

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const tableARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"

type (
	attribute  = types.AttributeValue
	attributes = map[string]attribute
	change     = eventjson.DynamoDBRecord[attribute]
)

func textOf(s string) attribute   { return &types.AttributeValueMemberS{Value: s} }
func numberOf(s string) attribute { return &types.AttributeValueMemberN{Value: s} }

// viewAttribute tells what the SDK's value is.
func viewAttribute(value attribute) eventjson.DynamoDBValue[attribute] {
	type seen = eventjson.DynamoDBValue[attribute]
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return seen{Kind: eventjson.DynamoDBS, Text: v.Value}
	case *types.AttributeValueMemberN:
		return seen{Kind: eventjson.DynamoDBN, Text: v.Value}
	case *types.AttributeValueMemberB:
		return seen{Kind: eventjson.DynamoDBB, Bytes: v.Value}
	case *types.AttributeValueMemberBOOL:
		return seen{Kind: eventjson.DynamoDBBOOL, Bool: v.Value}
	case *types.AttributeValueMemberNULL:
		return seen{Kind: eventjson.DynamoDBNULL}
	case *types.AttributeValueMemberM:
		return seen{Kind: eventjson.DynamoDBM, Map: v.Value}
	case *types.AttributeValueMemberL:
		return seen{Kind: eventjson.DynamoDBL, List: v.Value}
	case *types.AttributeValueMemberSS:
		return seen{Kind: eventjson.DynamoDBSS, Texts: v.Value}
	case *types.AttributeValueMemberNS:
		return seen{Kind: eventjson.DynamoDBNS, Texts: v.Value}
	case *types.AttributeValueMemberBS:
		return seen{Kind: eventjson.DynamoDBBS, Blobs: v.Value}
	default:
		return seen{}
	}
}

func newDynamoDB() *eventjson.DynamoDB[attribute] {
	return eventjson.NewDynamoDB(tableARN, viewAttribute)
}

// changed is the record of the spec's example.
func changed() change {
	keys := attributes{"orderId": textOf("o-1"), "line": numberOf("3")}
	return change{
		EventID: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", EventName: "MODIFY", EventVersion: "1.1", Region: region,
		ApproximateCreationDateTime: time.Unix(1767225601, 999e6), Keys: keys,
		NewImage: attributes{
			"orderId": keys["orderId"], "line": keys["line"], "price": numberOf("12.50"),
			"blob": &types.AttributeValueMemberB{Value: []byte("hello")}, "paid": &types.AttributeValueMemberBOOL{Value: true},
			"note": &types.AttributeValueMemberNULL{Value: true}, "tags": &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
			"sizes":   &types.AttributeValueMemberNS{Value: []string{"1", "2.5"}},
			"files":   &types.AttributeValueMemberBS{Value: [][]byte{{1, 2}, {3, 4}}},
			"lines":   &types.AttributeValueMemberL{Value: []attribute{textOf("x"), numberOf("1")}},
			"address": &types.AttributeValueMemberM{Value: attributes{"city": textOf("Espoo")}},
		},
		OldImage:       attributes{"orderId": keys["orderId"], "line": keys["line"], "price": numberOf("11")},
		SequenceNumber: "111100000000000000000001", SizeBytes: 150, StreamViewType: "NEW_AND_OLD_IMAGES",
	}
}

// The example of the spec, but for the order of attributes (DDB-80, DDB-83, DDB-85, DDB-88,
// DDB-89, DDB-90).
func TestDynamoDBDocument_DDB81(t *testing.T) {
	t.Parallel()
	d, r := newDynamoDB(), changed()
	example, err := os.ReadFile("testdata/dynamodb.json")
	if err != nil {
		t.Fatal(err)
	}
	got := eventjson.AppendEvent(nil, []change{r}, d.Append)
	if mine, theirs := decodeNumbers(t, got), decodeNumbers(t, example); !reflect.DeepEqual(mine, theirs) {
		t.Errorf("document\n got %v\nwant %v", mine, theirs)
	}
	if size, unknown := d.Size(&r); size+eventjson.Overhead != len(got) || unknown != 0 {
		t.Errorf("size %d of %d, %d unknown", size+eventjson.Overhead, len(got), unknown)
	}
}

// A record to the byte, in AWS's order of members, without images that are missing, and
// with who removed the item (DDB-87, DDB-91, DDB-93).
func TestDynamoDBBytes_DDB91(t *testing.T) {
	t.Parallel()
	d := newDynamoDB()
	r := change{
		EventID: "e", EventName: "REMOVE", EventVersion: "1.1", Region: region, ApproximateCreationDateTime: time.Unix(-1, 5e8),
		Keys: attributes{"id": textOf(`"<é>`)}, NewImage: attributes{}, SequenceNumber: "7", SizeBytes: 6, StreamViewType: "KEYS_ONLY",
		IdentityType: "Service", PrincipalID: "dynamodb.amazonaws.com",
	}
	const (
		head = `"eventID":"e","eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"eu-west-1"`
		body = `{"ApproximateCreationDateTime":-1,"Keys":{"id":{"S":"\"<é>"}},"SequenceNumber":"7","SizeBytes":6,"StreamViewType":"KEYS_ONLY"}`
		tail = `,"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"},"eventSourceARN":"` + tableARN + `"}`
	)
	size, _ := d.Size(&r)
	if got := string(d.Append(nil, &r)); got != `{`+head+`,"dynamodb":`+body+tail || size != len(got) {
		t.Errorf("record of %d bytes, size %d: %s", len(got), size, got)
	}
	if got := string(d.AppendBody(nil, &r)); got != body {
		t.Errorf("body %s", got)
	}
	if got := string(d.AppendAround(nil, []byte(body), &r)); got != `{`+head+`,"dynamodb":`+body+tail {
		t.Errorf("record around a body: %s", got)
	}
	if got := string(d.AppendMetadata(nil, &r)); got != `{`+head+tail {
		t.Errorf("metadata %s", got)
	}
}

// A value of a type that nobody knows is counted, and whoever decodes it fails.
func TestDynamoDBUnknown(t *testing.T) {
	t.Parallel()
	d, r := newDynamoDB(), changed()
	r.NewImage = attributes{
		"x": nil, "y": &types.UnknownUnionMember{Tag: "VEC"},
		"l": &types.AttributeValueMemberL{Value: []attribute{nil}}, "m": &types.AttributeValueMemberM{Value: attributes{"n": nil}},
	}
	got := d.Append(nil, &r)
	if size, unknown := d.Size(&r); size != len(got) || unknown != 4 {
		t.Errorf("size %d of %d, %d unknown, want 4", size, len(got), unknown)
	}
	var event events.DynamoDBEventRecord
	if err := json.Unmarshal(got, &event); err == nil {
		t.Errorf("decoded as %+v", event)
	}
}

// Equal keys are one text, others are not, whatever the order of names (DDB-65, DDB-66).
func TestDynamoDBKey_DDB66(t *testing.T) {
	t.Parallel()
	d := newDynamoDB()
	of := func(keys attributes) string { return string(d.AppendKey(nil, keys)) }
	for range 100 { // a map's order is another one each time
		if got := of(attributes{"b": numberOf("01.50"), "a": textOf("x")}); got != `{"a":{"S":"x"},"b":{"N":"1.5"}}` {
			t.Fatalf("key %s", got)
		}
	}
	blob := &types.AttributeValueMemberB{Value: []byte("1")}
	seen := make(map[string]attributes)
	for _, keys := range []attributes{
		{"a": textOf("1")}, {"a": numberOf("1")}, {"a": blob}, {"b": textOf("1")}, {"a": textOf("1"), "b": textOf("1")},
		{"a": textOf(`1"},"b":{"S":"1`)}, {"a": textOf("1.0")}, {},
	} {
		if other, same := seen[of(keys)]; same {
			t.Errorf("%v and %v are one key", keys, other)
		}
		seen[of(keys)] = keys
	}
}

// Numbers that are equal are one key, however they are written (DDB-89).
func TestDynamoDBNumberKey(t *testing.T) {
	t.Parallel()
	d := newDynamoDB()
	for want, texts := range map[string][]string{
		"1":                                      {"1", "1.0", "+1", "01", "1.", "10E-1", "0.1e1", "1e0", "0.01E+2"},
		"0":                                      {"0", "-0", "0.0", ".0", "0E5", "00", "-0.00e-7"},
		"-12.5":                                  {"-12.5", "-12.50", "-1.25e1", "-125E-1", "-0012.5"},
		"1200":                                   {"1200", "1.2e3", "12E2", "1200.00"},
		"0.00105":                                {"0.00105", "1.05e-3", ".00105", "105e-5"},
		"99999999999999999999999999999999999999": {"99999999999999999999999999999999999999", "9.9999999999999999999999999999999999999E+37"},
		"x":                                      {"x"}, "1e": {"1e"}, "-": {"-"}, ".": {"."}, "1e999999": {"1e999999"}, "1.2.3": {"1.2.3"}, "": {""},
	} {
		for _, text := range texts {
			if got := string(d.AppendKey(nil, attributes{"n": numberOf(text)})); got != `{"n":{"N":"`+want+`"}}` {
				t.Errorf("%q is the key %s, want %s", text, got, want)
			}
		}
	}
}
