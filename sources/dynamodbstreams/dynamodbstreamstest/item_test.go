package dynamodbstreamstest_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

// every is an item with a value of every kind.
func every() item {
	return item{
		"id": text("o-1"), "n": number("12.50"), "b": &types.AttributeValueMemberB{Value: []byte{1, 2}},
		"bool": &types.AttributeValueMemberBOOL{Value: true}, "null": &types.AttributeValueMemberNULL{Value: true},
		"ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"1", "2.5"}},
		"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{text("x"), number("1")}},
		"m":  &types.AttributeValueMemberM{Value: item{"city": text("Espoo")}},
	}
}

// Each view type tells its images, and keys and kinds of changes come as they are
// (DDB-08, DDB-80, DDB-87).
func TestViewTypes(t *testing.T) {
	t.Parallel()
	for view, want := range map[types.StreamViewType][3][2]bool{ // new and old image of an insert, a change, a removal
		types.StreamViewTypeKeysOnly:        {{false, false}, {false, false}, {false, false}},
		types.StreamViewTypeNewImage:        {{true, false}, {true, false}, {false, false}},
		types.StreamViewTypeOldImage:        {{false, false}, {false, true}, {false, true}},
		types.StreamViewTypeNewAndOldImages: {{true, false}, {true, true}, {false, true}},
	} {
		t.Run(string(view), func(t *testing.T) {
			t.Parallel()
			run(t, dynamodbstreamstest.Setup{View: view}, func(t *testing.T, w *world) {
				changed := every()
				changed["n"] = number("13")
				must[dynamodbstreamstest.Change](w)(w.server.Put("orders", every()))
				must[dynamodbstreamstest.Change](w)(w.server.Update("orders", item{"id": text("o-1")}, item{"n": number("13")}))
				must[dynamodbstreamstest.Change](w)(w.server.Expire("orders", item{"id": text("o-1")}))
				out := w.expect(w.horizon(w.shard(0)), "o-1", "o-1", "o-1")
				for i, images := range want {
					r := out.Records[i]
					for old, image := range []item{r.Dynamodb.NewImage, r.Dynamodb.OldImage} {
						values := []item{every(), changed, nil}
						if old == 1 {
							values = []item{nil, every(), changed}
						}
						if images[old] != (image != nil) || image != nil && !reflect.DeepEqual(image, values[i]) {
							t.Errorf("%s: image %d is %v, want one: %v", r.EventName, old, image, images[old])
						}
					}
					if r.Dynamodb.StreamViewType != view || r.EventName != [...]types.OperationType{"INSERT", "MODIFY", "REMOVE"}[i] {
						t.Errorf("record %d: %s, %s", i, r.EventName, r.Dynamodb.StreamViewType)
					}
				}
				if who := out.Records[2].UserIdentity; who == nil || *who.Type != "Service" || *who.PrincipalId != "dynamodb.amazonaws.com" {
					t.Errorf("who removed it: %+v", who)
				}
			})
		})
	}
}

// A write that changes nothing is no record, and equal numbers are one key (DDB-07).
func TestNoChange(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Keys: []string{"id", "line"}, Shards: 4}, func(t *testing.T, w *world) {
		for _, line := range []string{"1", "1.0", "10E-1"} {
			must[dynamodbstreamstest.Change](w)(w.server.Put("orders", item{"id": text("a"), "line": number(line), "v": text("x")}))
		}
		same := must[dynamodbstreamstest.Change](w)(w.server.Put("orders", item{"id": text("a"), "line": number("10E-1"), "v": text("x")}))
		none := must[dynamodbstreamstest.Change](w)(w.server.Delete("orders", item{"id": text("a"), "line": number("2")}))
		if same != (dynamodbstreamstest.Change{}) || none != same {
			t.Errorf("got changes %+v, %+v", same, none)
		}
		var puts []int
		total := 0
		for _, shard := range w.server.Shards("orders") {
			puts = append(puts, shard.Put)
			total += shard.Put
		}
		if total != 3 || !reflect.DeepEqual(puts, []int{0, 0, 3, 0}) && !reflect.DeepEqual(puts, []int{3, 0, 0, 0}) &&
			!reflect.DeepEqual(puts, []int{0, 3, 0, 0}) && !reflect.DeepEqual(puts, []int{0, 0, 0, 3}) {
			t.Errorf("records per shard: %v, want all 3 in one", puts)
		}
	})
}

// Whole seconds are told of what the table did, and any time of what a test puts.
func TestCreationTime(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		time.Sleep(1600 * time.Millisecond)
		now := time.Now()
		w.put("a")
		_, err := w.server.Append("orders", w.shard(0), dynamodbstreamstest.Raw{Keys: json.RawMessage(`{"id":{"S":"b"}}`)})
		if err != nil {
			t.Fatal(err)
		}
		w.server.SetMilliseconds(true)
		w.put("c")
		out := w.expect(w.horizon(w.shard(0)), "a", "b", "c")
		for i, want := range []time.Time{now.Truncate(time.Second), now, now} {
			if got := *out.Records[i].Dynamodb.ApproximateCreationDateTime; !got.Equal(want) {
				t.Errorf("record %d: %v, want %v", i, got, want)
			}
		}
	})
}

// A kind of value that the SDK does not know comes through the wire.
func TestUnknownValue(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		_, err := w.server.Append("orders", w.shard(0), dynamodbstreamstest.Raw{
			Keys: json.RawMessage(`{"id":{"S":"a"}}`), NewImage: json.RawMessage(`{"x":{"VEC":"?"},"s":{"S":"ok"}}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		image := w.expect(w.horizon(w.shard(0)), "a").Records[0].Dynamodb.NewImage
		if value, there := image["x"]; value != nil || !there || !reflect.DeepEqual(image["s"], text("ok")) {
			t.Errorf("got %v", image)
		}
	})
}

func TestRefusedItems(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		for _, bad := range []item{
			{}, {"id": &types.AttributeValueMemberBOOL{}}, {"id": number("1e9999")}, {"id": text("a"), "n": number("x")},
			{"id": text("a"), "n": nil}, {"id": text("a"), "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{nil}}},
		} {
			if _, err := w.server.Put("orders", bad); err == nil {
				t.Errorf("%v was taken", bad)
			}
		}
		if _, err := w.server.Put("nobody", item{"id": text("a")}); err == nil {
			t.Error("a table that is not there was written to")
		}
		for _, name := range []string{"o", "orders", "a/b/c"} {
			if _, err := w.server.AddTable(name, dynamodbstreamstest.Setup{}); err == nil {
				t.Errorf("table %q was made", name)
			}
		}
	})
}

// What a stream tells of itself.
func TestDescription(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Keys: []string{"id", "line"}, View: types.StreamViewTypeNewImage}, func(t *testing.T, w *world) {
		d := w.describe()
		if *d.TableName != "orders" || d.StreamStatus != types.StreamStatusEnabled || d.StreamViewType != types.StreamViewTypeNewImage ||
			aws.ToString(d.StreamArn) != w.arn || len(d.KeySchema) != 2 || d.KeySchema[1].KeyType != types.KeyTypeRange {
			t.Errorf("got %+v", d)
		}
		out := must[*dynamodbstreams.ListStreamsOutput](w)(w.client.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: new("orders")}))
		if len(out.Streams) != 1 || *out.Streams[0].StreamArn != w.arn || *out.Streams[0].StreamLabel != *d.StreamLabel {
			t.Errorf("listed %+v", out.Streams)
		}
	})
}

// Events have IDs of 32 hexadecimal digits, all different (DDB-82), and sizes as the
// service counts them: a key of 16 bytes with 11 of text are 27, with the image 54, and
// with six bytes of binary under a name of 10 more 70 (DDB-86).
func TestIDsAndSizes(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Keys: []string{"a-name-of-16-byt"}}, func(t *testing.T, w *world) {
		key := item{"a-name-of-16-byt": text("eleven-byte")}
		for _, image := range []item{
			{"a-name-of-16-byt": text("eleven-byte")},
			{"a-name-of-16-byt": text("eleven-byte"), "a-name-too": &types.AttributeValueMemberB{Value: []byte("sixlet")}},
		} {
			must[dynamodbstreamstest.Change](w)(w.server.Put("orders", image))
			must[dynamodbstreamstest.Change](w)(w.server.Delete("orders", key))
		}
		out := must[*dynamodbstreams.GetRecordsOutput](w)(w.get(w.horizon(w.shard(0))))
		seen := map[string]bool{}
		for i, want := range []int64{54, 54, 70, 70} {
			r := out.Records[i]
			if *r.Dynamodb.SizeBytes != want || len(*r.EventID) != 32 || seen[*r.EventID] {
				t.Errorf("record %d: %d bytes, want %d, ID %s", i, *r.Dynamodb.SizeBytes, want, *r.EventID)
			}
			seen[*r.EventID] = true
		}
	})
}
