package memory_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
	"github.com/openesm/openesm/sources/sourcetest"
)

func tableHarness(table *memory.Table, partitions int) sourcetest.Harness {
	harness := streamHarness(table.Stream(), partitions)
	harness.Send = func(_ context.Context, messages ...sourcetest.Message) error {
		for _, m := range messages {
			// A change each: equal bodies come one after the other too.
			item := memory.Item{"id": m.Key, "data": m.Data, "at": table.Stream().Lag("nobody")}
			if _, err := table.Put(item); err != nil {
				return err
			}
		}
		return nil
	}
	harness.Sent = func(r sources.Record) sourcetest.Message {
		item := r.Native.(*memory.StreamRecord).Change.New
		return sourcetest.Message{Key: item["id"].(string), Data: item["data"].([]byte)}
	}
	return harness
}

func TestTableConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		const partitions = 3
		return tableHarness(memory.NewTable(memory.TableOptions{Partitions: partitions}), partitions)
	})
}

// changesOf runs a mapping until the table's stream has ended, and returns the records
// of the event documents.
func changesOf(t *testing.T, table *memory.Table, patterns ...string) []events.DynamoDBEventRecord {
	t.Helper()
	table.Stream().End()
	var got []events.DynamoDBEventRecord
	handler := esm.Typed(func(_ context.Context, e events.DynamoDBEvent) error {
		got = append(got, e.Records...)
		return nil
	})
	mapping, err := esm.New(table.Stream().Source("test"), handler, esm.Config{
		FilterCriteria: esm.FilterCriteria{Filters: patterns}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mapping.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return got
}

// A handler gets changes of items as those of DynamoDB (DDB-80, DDB-87, DDB-91).
func TestTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1500 * time.Millisecond)
		orders := memory.NewTable(memory.TableOptions{Name: "orders", Key: []string{"orderId", "line"}})
		key := memory.Item{"orderId": "o-1", "line": 3}
		for _, step := range []func() (string, error){
			func() (string, error) { return orders.Put(memory.Item{"orderId": "o-1", "line": 3, "price": 12.5}) },
			func() (string, error) {
				return orders.Put(memory.Item{"orderId": "o-1", "line": json.Number("3.0"), "price": 12.5, "line2": nil})
			},
			func() (string, error) { return orders.Update(key, memory.Item{"price": json.Number("13.00")}) },
			func() (string, error) { return orders.Expire(key) },
		} {
			if number, err := step(); number == "" || err != nil {
				t.Fatalf("a change has number %q, %v", number, err)
			}
		}
		if number, err := orders.Delete(key); number != "" || err != nil || orders.Len() != 0 || orders.Item(key) != nil {
			t.Errorf("an item that is not there was deleted as %q, %v", number, err)
		}
		got := changesOf(t, orders)
		names := []string{"INSERT", "MODIFY", "MODIFY", "REMOVE"}
		if len(got) != len(names) {
			t.Fatalf("got %d records", len(got))
		}
		for i, r := range got {
			if r.EventName != names[i] || r.EventSource != "aws:dynamodb" || r.EventSourceArn != orders.Stream().ARN() ||
				len(r.EventID) != 32 || r.Change.StreamViewType != "NEW_AND_OLD_IMAGES" || r.Change.Keys["orderId"].String() != "o-1" ||
				r.Change.ApproximateCreationDateTime.Time != time.Now().Truncate(time.Second) || r.Change.SizeBytes == 0 ||
				(r.Change.NewImage == nil) != (i == 3) || (r.Change.OldImage == nil) != (i == 0) || (r.UserIdentity != nil) != (i == 3) {
				t.Errorf("record %d: %+v", i, r)
			}
		}
		if price := got[2].Change.NewImage["price"].Number(); price != "13.00" || got[2].Change.OldImage["price"].Number() != "12.5" {
			t.Errorf("the price is %s", price)
		}
	})
}

// What the view type leaves out is not there.
func TestTableViews(t *testing.T) {
	t.Parallel()
	for view, want := range map[memory.ViewType][2]bool{
		memory.KeysOnly: {}, memory.NewImage: {true, false}, memory.OldImage: {false, true}, memory.NewAndOldImages: {true, true},
	} {
		table := memory.NewTable(memory.TableOptions{View: view})
		for _, text := range []string{"a", "b", "b"} {
			if _, err := table.Put(memory.Item{"id": 1, "text": text}); err != nil {
				t.Fatal(err)
			}
		}
		got := changesOf(t, table)
		if len(got) != 2 || (got[1].Change.NewImage != nil) != want[0] || (got[1].Change.OldImage != nil) != want[1] {
			t.Errorf("%s: %+v", view, got)
		}
	}
}

// Every kind of value comes through, and what is none is refused.
func TestTableValues(t *testing.T) {
	t.Parallel()
	table := memory.NewTable(memory.TableOptions{})
	_, err := table.Put(memory.Item{
		"id": []byte("k"), "bool": true, "list": []any{"a", uint8(1)}, "words": []string{"x"}, "map": memory.Item{"n": float32(0.5)},
		"ss": memory.StringSet{"a"}, "ns": memory.NumberSet{"1e3"}, "bs": memory.BinarySet{{1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []memory.Item{
		{"id": true}, {}, {"id": 1, "x": struct{}{}}, {"id": 1, "x": json.Number("x")}, {"id": 1, "x": []any{make(chan int)}},
		{"id": 1, "x": memory.NumberSet{"?"}}, {"id": 1, "x": memory.Item{"y": complex(1, 1)}},
	} {
		if _, err := table.Put(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if table.Stream().Put("k", nil) != "" || table.Len() != 1 {
		t.Error("the table's stream takes other records")
	}
	if _, err := table.Stream().PutTo(table.Stream().Partitions()[0], "k", nil); err == nil {
		t.Error("a partition of the table's stream takes other records")
	}
	image := changesOf(t, table)[0].Change.NewImage
	if !slices.Equal(image["ss"].StringSet(), []string{"a"}) || !slices.Equal(image["ns"].NumberSet(), []string{"1e3"}) ||
		image["bs"].BinarySet()[0][0] != 1 || image["list"].List()[1].Number() != "1" || image["words"].List()[0].String() != "x" ||
		image["map"].Map()["n"].Number() != "0.5" || string(image["id"].Binary()) != "k" {
		t.Errorf("got %v", image)
	}
}

// Patterns see a change under dynamodb, with the letters of types (DDB-97).
func TestTableFilter(t *testing.T) {
	t.Parallel()
	table := memory.NewTable(memory.TableOptions{})
	for _, city := range []string{"Espoo", "Turku"} {
		if _, err := table.Put(memory.Item{"id": city, "city": city, "n": 5}); err != nil {
			t.Fatal(err)
		}
	}
	got := changesOf(t, table, `{"eventName":["INSERT"],"dynamodb":{"NewImage":{"city":{"S":["Turku"]}}}}`,
		`{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":["=",5]}]}}}}`)
	if len(got) != 1 || got[0].Change.Keys["id"].String() != "Turku" {
		t.Errorf("got %+v", got)
	}
}
