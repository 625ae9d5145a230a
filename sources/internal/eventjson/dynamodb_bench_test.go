package eventjson_test

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// item has ten attributes and about 500 bytes.
func item(version int) attributes {
	all := attributes{
		"orderId": textOf("o-1234567"), "line": numberOf("3"), "price": numberOf("12.50"),
		"paid": &types.AttributeValueMemberBOOL{Value: true}, "version": numberOf(strconv.Itoa(version)),
		"tags":     &types.AttributeValueMemberSS{Value: []string{"new", "gift", "express"}},
		"address":  &types.AttributeValueMemberM{Value: attributes{"city": textOf("Espoo"), "street": textOf("Rantatie 1"), "zip": textOf("02100")}},
		"customer": textOf("c-" + strings.Repeat("7", 40)), "note": textOf(strings.Repeat("please ring twice ", 12)),
		"etag": &types.AttributeValueMemberB{Value: []byte(strings.Repeat("x", 48))},
	}
	return all
}

func modified() change {
	return change{
		EventID: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", EventName: "MODIFY", EventVersion: "1.1", Region: region,
		ApproximateCreationDateTime: time.Unix(1767225601, 0),
		Keys:                        attributes{"orderId": textOf("o-1234567"), "line": numberOf("3")},
		NewImage:                    item(2), OldImage: item(1),
		SequenceNumber: "111100000000000000000001", SizeBytes: 1050, StreamViewType: "NEW_AND_OLD_IMAGES",
	}
}

// eventsValue makes a value of the events package of one of the SDK.
func eventsValue(value attribute) events.DynamoDBAttributeValue {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return events.NewStringAttribute(v.Value)
	case *types.AttributeValueMemberN:
		return events.NewNumberAttribute(v.Value)
	case *types.AttributeValueMemberB:
		return events.NewBinaryAttribute(v.Value)
	case *types.AttributeValueMemberBOOL:
		return events.NewBooleanAttribute(v.Value)
	case *types.AttributeValueMemberSS:
		return events.NewStringSetAttribute(v.Value)
	case *types.AttributeValueMemberM:
		return events.NewMapAttribute(eventsImage(v.Value))
	default:
		return events.NewNullAttribute()
	}
}

func eventsImage(image attributes) map[string]events.DynamoDBAttributeValue {
	all := make(map[string]events.DynamoDBAttributeValue, len(image))
	for name, value := range maps.All(image) {
		all[name] = eventsValue(value)
	}
	return all
}

// viaDynamoDBEvents is the usual way: build the events type, marshal it.
func viaDynamoDBEvents(r *change) []byte {
	document, err := json.Marshal(events.DynamoDBEvent{Records: []events.DynamoDBEventRecord{{
		AWSRegion: r.Region, EventID: r.EventID, EventName: r.EventName, EventSource: "aws:dynamodb", EventVersion: r.EventVersion,
		EventSourceArn: tableARN,
		Change: events.DynamoDBStreamRecord{
			ApproximateCreationDateTime: events.SecondsEpochTime{Time: r.ApproximateCreationDateTime},
			Keys:                        eventsImage(r.Keys), NewImage: eventsImage(r.NewImage), OldImage: eventsImage(r.OldImage),
			SequenceNumber: r.SequenceNumber, SizeBytes: r.SizeBytes, StreamViewType: r.StreamViewType,
		},
	}}})
	if err != nil {
		return nil
	}
	return document
}

// BenchmarkDynamoDB reports, as x-faster, how many times faster this package writes an
// event than the events package with encoding/json, both run in turn; x-faster-sized
// has the size measured as well.
func BenchmarkDynamoDB(b *testing.B) {
	d, r := newDynamoDB(), modified()
	size, _ := d.Size(&r)
	dst := make([]byte, 0, size)
	b.Run("ratio", func(b *testing.B) {
		compare(b, map[string]func(){
			baseline:         func() { _ = viaDynamoDBEvents(&r) },
			"x-faster":       func() { dst = d.Append(dst[:0], &r) },
			"x-faster-sized": func() { _, _ = d.Size(&r); dst = d.Append(dst[:0], &r) },
		})
	})
	for name, run := range map[string]func(){
		"append": func() { dst = d.Append(dst[:0], &r) },
		"size":   func() { _, _ = d.Size(&r) },
		"key":    func() { dst = d.AppendKey(dst[:0], r.Keys) },
		"events": func() { _ = viaDynamoDBEvents(&r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
