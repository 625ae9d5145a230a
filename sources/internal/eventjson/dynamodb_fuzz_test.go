package eventjson_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"regexp"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// value makes an attribute's value of what is left, and the same one of the events
// package.
func (f *feed) value(depth int) (attribute, events.DynamoDBAttributeValue) {
	kinds := 10
	if depth == 0 {
		kinds = 8
	}
	switch f.number() % kinds {
	case 0:
		n := f.text()
		return numberOf(n), events.NewNumberAttribute(n)
	case 1:
		blob := []byte("b" + f.text())
		return &types.AttributeValueMemberB{Value: blob}, events.NewBinaryAttribute(blob)
	case 2:
		yes := f.number()%2 == 0
		return &types.AttributeValueMemberBOOL{Value: yes}, events.NewBooleanAttribute(yes)
	case 3:
		return &types.AttributeValueMemberNULL{Value: true}, events.NewNullAttribute()
	case 4:
		list := []string{f.text(), f.text()}
		return &types.AttributeValueMemberSS{Value: list}, events.NewStringSetAttribute(list)
	case 5:
		list := []string{f.text()}
		return &types.AttributeValueMemberNS{Value: list}, events.NewNumberSetAttribute(list)
	case 6:
		list := [][]byte{[]byte("b" + f.text()), {}}
		return &types.AttributeValueMemberBS{Value: list}, events.NewBinarySetAttribute(list)
	case 8:
		list, same := []attribute{}, []events.DynamoDBAttributeValue{}
		for range f.number() % 4 {
			one, other := f.value(depth - 1)
			list, same = append(list, one), append(same, other)
		}
		return &types.AttributeValueMemberL{Value: list}, events.NewListAttribute(same)
	case 9:
		all, same := f.attributes(depth-1, f.number()%3)
		return &types.AttributeValueMemberM{Value: all}, events.NewMapAttribute(same)
	default:
		text := f.text()
		return textOf(text), events.NewStringAttribute(text)
	}
}

// attributes makes so many of them. Names are such that no two become one in JSON.
func (f *feed) attributes(depth, n int) (attributes, map[string]events.DynamoDBAttributeValue) {
	all, same := attributes{}, map[string]events.DynamoDBAttributeValue{}
	for i := range n {
		name := string(rune('a'+i)) + f.text()
		all[name], same[name] = f.value(depth)
	}
	return all, same
}

// FuzzDynamoDBDocument holds documents against what encoding/json makes of the same in
// the events package, and sizes to what was written.
func FuzzDynamoDBDocument(f *testing.F) {
	f.Add([]byte{2, 2, 'i', 'd', 1, '1', 3, 3, 7, 2, 'a', 'b', 9, 1, 8, 2, 3, 1})
	f.Add(bytes.Repeat([]byte{1, '"', 8, 3, 1, 0xff}, 40))
	for seed := range byte(32) {
		f.Add(noise(seed, 500))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const depth = 4
		in, d := feed{data}, newDynamoDB()
		rows := make([]change, in.number()%3)
		var want events.DynamoDBEvent
		size := eventjson.Overhead + max(len(rows)-1, 0)
		for i := range rows {
			same := events.DynamoDBEventRecord{EventSource: "aws:dynamodb", EventSourceArn: tableARN}
			rows[i] = change{
				EventID: in.text(), EventName: in.text(), EventVersion: in.text(), Region: in.text(),
				ApproximateCreationDateTime: in.time(), SequenceNumber: in.text(), SizeBytes: int64(in.number()) - 100,
				StreamViewType: in.text(), IdentityType: in.text(), PrincipalID: in.text(),
			}
			r := &rows[i]
			r.Keys, same.Change.Keys = in.attributes(0, 1+in.number()%2)
			r.NewImage, same.Change.NewImage = in.attributes(depth, in.number()%5)
			r.OldImage, same.Change.OldImage = in.attributes(depth, in.number()%5)
			same.EventID, same.EventName, same.EventVersion, same.AWSRegion = r.EventID, r.EventName, r.EventVersion, r.Region
			same.Change.SequenceNumber, same.Change.SizeBytes, same.Change.StreamViewType = r.SequenceNumber, r.SizeBytes, r.StreamViewType
			if r.IdentityType != "" || r.PrincipalID != "" {
				same.UserIdentity = &events.DynamoDBUserIdentity{Type: r.IdentityType, PrincipalID: r.PrincipalID}
			}
			one, unknown := d.Size(r)
			if size += one; unknown != 0 {
				t.Fatalf("%d values are unknown", unknown)
			}
			want.Records = append(want.Records, same)
		}
		got := eventjson.AppendEvent(nil, rows, d.Append)
		if len(got) != size {
			t.Fatalf("document of %d bytes, sizes add up to %d: %q", len(got), size, got)
		}
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := records(t, decode(t, got)), records(t, decode(t, std))
		for i := range mine {
			body := nested(t, mine[i], "dynamodb")
			if seconds, _ := body["ApproximateCreationDateTime"].(float64); int64(seconds) != rows[i].ApproximateCreationDateTime.Unix() {
				t.Errorf("record %d was created at %v, want %d", i, seconds, rows[i].ApproximateCreationDateTime.Unix())
			}
			delete(body, "ApproximateCreationDateTime") // the events package does not cut it
			delete(nested(t, theirs[i], "dynamodb"), "ApproximateCreationDateTime")
		}
		if !reflect.DeepEqual(mine, theirs) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

var numeral = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$`)

// FuzzDynamoDBNumberKey holds keys of numbers to exact arithmetic: two of them are one
// key if, and only if, they are equal.
func FuzzDynamoDBNumberKey(f *testing.F) {
	for _, pair := range [][2]string{{"1", "1.0"}, {"-0", ".0e9"}, {"12e-3", "0.012"}, {"1", "10"}, {"100", "1E2"}, {"-5", "5"}, {"1e-9", "1e-8"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		if len(one) > 60 || len(other) > 60 || !numeral.MatchString(one) || !numeral.MatchString(other) {
			return
		}
		d := newDynamoDB()
		a, aok := new(big.Rat).SetString(one)
		b, bok := new(big.Rat).SetString(other)
		if !aok || !bok {
			t.Fatalf("%q or %q is no number to package big", one, other)
		}
		same := bytes.Equal(d.AppendKey(nil, attributes{"n": numberOf(one)}), d.AppendKey(nil, attributes{"n": numberOf(other)}))
		if same != (a.Cmp(b) == 0) {
			t.Errorf("%q and %q: one key is %v", one, other, same)
		}
	})
}
