package dynamodbstreams_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awsstreams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

const ordersARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"

// Every violation is named at once, with what to do (DDB-11, DDB-60). The stream may be
// another account's (DDB-71).
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := dynamodbstreams.New(nil, "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", nil, dynamodbstreams.Options{
		StartingPosition: 7, MaxShards: -1, IdleInterval: -1, LeaseDuration: time.Millisecond, ListInterval: time.Millisecond,
		HandoverTimeout: 2 * time.Hour, Worker: "\xff",
	})
	for _, want := range []string{
		"dynamodbstreams: ", "client: is nil", "store: is nil", "that of a table, not of its stream", "LatestStreamArn",
		"StartingPosition: 7", "MaxShards: -1", "IdleInterval: -1ns", "LeaseDuration: 1ms", "ListInterval: 1ms", "HandoverTimeout: 2h0m0s", "Worker: ",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	client, store := new(awsstreams.Client), checkpoint.NewMemory()
	for given, want := range map[string]string{
		"":      "no ARN of a stream and no name of a table",
		"a/b":   "no ARN of a stream and no name of a table",
		"table": "",
		"arn:aws:kinesis:eu-west-1:123456789012:stream/orders":                       `of service "kinesis"`,
		"arn:aws:dynamodb::123456789012:table/orders/stream/2026-01-01T00:00:00.000": "no ARN of a stream",
		"arn:aws:dynamodb:eu-west-1:123456789012:table/orders/index/x":               "is of no stream",
		ordersARN: "",
		"arn:aws-cn:dynamodb:cn-north-1:123456789012:table/o.r-d_s/stream/2026-01-01T00:00:00.000": "",
	} {
		_, err := dynamodbstreams.New(client, given, store, dynamodbstreams.Options{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", given, err, want)
		}
	}
	for want, options := range map[string]dynamodbstreams.Options{
		"which only AtTimestamp takes": {StartingPositionTimestamp: time.Unix(1, 0)},
		"which AtTimestamp needs":      {StartingPosition: dynamodbstreams.AtTimestamp},
		"is in the future":             {StartingPosition: dynamodbstreams.AtTimestamp, StartingPositionTimestamp: time.Now().Add(time.Hour)},
	} {
		if _, err := dynamodbstreams.New(client, ordersARN, store, options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// The bounds and defaults are those of Kinesis (DDB-61, DDB-62, DDB-63).
func TestTraits(t *testing.T) {
	t.Parallel()
	source, err := dynamodbstreams.New(new(awsstreams.Client), ordersARN, checkpoint.NewMemory(), dynamodbstreams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	traits := source.Traits()
	if traits.EventSource != "aws:dynamodb" || traits.ARN != ordersARN || !traits.Ordered || traits.BatchSize.Default != 100 ||
		traits.BatchSize.Max != 10_000 || traits.Window.Max != 5*time.Minute || traits.TumblingWindow != 15*time.Minute {
		t.Errorf("%+v", traits)
	}
	for _, retries := range []int{-1, 0, 10_000} {
		_, err := esm.New(source, esm.Records(nil), esm.Config{MaximumRetryAttempts: &retries})
		if err != nil && strings.Contains(err.Error(), "MaximumRetryAttempts") {
			t.Errorf("%d retries: %v", retries, err)
		}
	}
}

// The newest stream of a table that is named is read, and event documents bear its ARN;
// one that is not there ends the mapping (DDB-11, DDB-69).
func TestTableByName(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change("old")
		w.must(w.Disable("orders"))
		newest, err := w.Enable("orders", dynamodbstreamstest.Setup{})
		w.must(err)
		w.setFaults(on("ListStreams", func(dynamodbstreamstest.Call) fault { return fault{AtMost: 1} }))
		w.arn = "orders"
		w.change("new")
		got := make(chan events.DynamoDBEvent, 1)
		r := w.run(esm.Typed(func(_ context.Context, e events.DynamoDBEvent) error {
			got <- e
			return nil
		}), dynamodbstreams.Options{}, esm.Config{})
		if e := <-got; len(e.Records) != 1 || e.Records[0].EventSourceArn != newest || e.Records[0].Change.Keys["id"].String() != "new" {
			t.Errorf("%+v", e)
		}
		r.end()
		for given, want := range map[string]string{
			"nothing": "Stream not found: table nothing: the table has no stream; enable one",
			ordersARN: "Stream not found: " + ordersARN + " (create it, or correct its name or ARN, or the client's region)",
		} {
			w.arn = given
			if err := <-w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{}).ended; !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", given, err)
			}
		}
	})
}

// Positions of one stream are not those of another one: a store of a stream that was
// replaced is refused (DDB-10).
func TestStoreOfAnotherStream(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change("a")
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		w.until(1, time.Minute)
		r.end()
		w.must(w.Disable("orders"))
		newest, err := w.Enable("orders", dynamodbstreamstest.Setup{})
		w.must(err)
		old := w.arn
		w.arn = newest
		if err := <-w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{}).ended; !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), old) {
			t.Errorf("Run: %v", err)
		}
	})
}

// Handlers of documents get what AWS's types read: changes, who made them, and no more of
// an item than the view type tells (DDB-80, DDB-83, DDB-85, DDB-87, DDB-88, DDB-91,
// DDB-115, DDB-116, DDB-117, DDB-119).
func TestEvents(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		time.Sleep(1900 * time.Millisecond)
		made := time.Now()
		_, err := w.Put("orders", item{"id": text("a"), "blob": &types.AttributeValueMemberB{Value: []byte("hello")}, "n": number("1E2")})
		w.must(err)
		_, err = w.Expire("orders", item{"id": text("a")})
		w.must(err)
		got := make(chan json.RawMessage, 1)
		r := w.run(esm.Typed(func(_ context.Context, e json.RawMessage) error {
			got <- e
			return nil
		}), dynamodbstreams.Options{}, esm.Config{})
		document := <-got
		r.end()
		var e events.DynamoDBEvent
		w.must(json.Unmarshal(document, &e))
		if len(e.Records) != 2 {
			t.Fatalf("%s", document)
		}
		insert, remove := e.Records[0], e.Records[1]
		if insert.EventName != "INSERT" || insert.EventVersion != "1.1" || insert.AWSRegion != "eu-west-1" || insert.EventSourceArn != w.arn ||
			insert.Change.ApproximateCreationDateTime.Unix() != made.Unix() || string(insert.Change.NewImage["blob"].Binary()) != "hello" ||
			insert.Change.NewImage["n"].Number() != "1E2" || insert.Change.OldImage != nil || insert.UserIdentity != nil {
			t.Errorf("%+v", insert)
		}
		if remove.EventName != "REMOVE" || remove.Change.NewImage != nil || remove.Change.OldImage == nil ||
			remove.UserIdentity == nil || remove.UserIdentity.PrincipalID != "dynamodb.amazonaws.com" {
			t.Errorf("%+v", remove)
		}
		for _, wrong := range []string{"null", "PrincipalId", "invokeIdentityArn", `"aGVsbG8=="`} {
			if strings.Contains(string(document), wrong) {
				t.Errorf("%s in %s", wrong, document)
			}
		}
		if want := `"ApproximateCreationDateTime":946684801,`; !strings.Contains(string(document), want) {
			t.Errorf("no %s in %s", want, document)
		}
	})
}

// Patterns see the change with the letters of its types, and what stands beside it;
// numbers are text there (DDB-84, DDB-97, DDB-98).
func TestFilters(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, city := range []string{"Espoo", "Turku", ""} {
			i := item{"id": text("id " + city), "n": number("5")}
			if city != "" {
				i["city"] = text(city)
			}
			_, err := w.Put("orders", i)
			w.must(err)
		}
		_, err := w.Delete("orders", item{"id": text("id Espoo")})
		w.must(err)
		for pattern, want := range map[string]int{
			`{"dynamodb":{"NewImage":{"city":{"S":["Espoo"]}}}}`:                               1,
			`{"dynamodb":{"NewImage":{"n":{"N":["5"]}}}}`:                                      3,
			`{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":["=",5]}]}}}}`:                      0,
			`{"dynamodb":{"NewImage":{"city":[{"exists":false}]}}}`:                            4,
			`{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",0]}]}}`:               4,
			`{"eventName":["REMOVE"]}`:                                                         1,
			`{"eventName":["INSERT"],"dynamodb":{"Keys":{"id":{"S":[{"prefix":"id T"}]}}}}`:    1,
			`{"userIdentity":{"type":["Service"]}}`:                                            0,
			`{"dynamodb":{"StreamViewType":["NEW_AND_OLD_IMAGES"]},"awsRegion":["eu-west-1"]}`: 4,
		} {
			w.mu.Lock()
			w.done = map[string]int{}
			w.mu.Unlock()
			r := w.runSource(w.sourceOn(w.newStore(), dynamodbstreams.Options{}), w.journal(nil), esm.Config{
				FilterCriteria: esm.FilterCriteria{Filters: []string{pattern}},
			})
			time.Sleep(5 * time.Second)
			r.end()
			if got := w.finished(); got != want {
				t.Errorf("%s: %d records pass, want %d", pattern, got, want)
			}
		}
		for _, wrong := range []string{`{"body":["x"]}`, `{"dynamodb":["text"]}`, `{"userIdentity":{"Type":["Service"]}}`} {
			_, err := esm.New(w.source(dynamodbstreams.Options{}), w.journal(nil), esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{wrong}}})
			if err == nil {
				t.Errorf("pattern %s was taken", wrong)
			}
		}
	})
}

// Failure records name the batch as AWS does (DDB-68, DDB-100, DDB-101, DDB-102), and a
// failed record of a batch is named by its sequence number (DDB-67).
func TestFailureRecord(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		time.Sleep(1500 * time.Millisecond)
		numbers := w.change("a", "b", "c")
		got := make(chan json.RawMessage, 1)
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for i := range records {
				if records[i].ID == numbers[1] {
					return esm.Response{BatchItemFailures: []string{numbers[1]}}, nil
				}
			}
			return esm.Response{}, nil
		}), dynamodbstreams.Options{}, esm.Config{
			MaximumRetryAttempts: new(1), BisectBatchOnFunctionError: true, ReportBatchItemFailures: true,
			OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
				body, err := json.Marshal(record)
				got <- body
				return err
			}),
		})
		var record struct {
			Info struct {
				ShardID   string `json:"shardId"`
				First     string `json:"startSequenceNumber"`
				Last      string `json:"endSequenceNumber"`
				Arrival   string `json:"approximateArrivalOfFirstRecord"`
				Size      int    `json:"batchSize"`
				StreamARN string `json:"streamArn"`
			} `json:"DDBStreamBatchInfo"`
			Context struct {
				Count int `json:"approximateInvokeCount"`
			} `json:"requestContext"`
		}
		body := <-got
		w.must(json.Unmarshal(body, &record))
		if i := record.Info; i.ShardID != w.open()[0] || i.First != numbers[1] || i.Last != numbers[1] || i.Size != 1 ||
			i.Arrival != "2000-01-01T00:00:01Z" || i.StreamARN != w.arn || record.Context.Count != 2 {
			t.Errorf("%s", body)
		}
		r.end()
	})
}

// Sub-lanes keep the order of an item, whose key may be of two attributes, and equal
// numbers are one item (DDB-65, DDB-66).
func TestItemKey(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		arn, err := w.AddTable("lines", dynamodbstreamstest.Setup{Keys: []string{"order", "line"}})
		w.must(err)
		w.arn = arn
		for _, line := range []string{"1", "1.0", "2", "10e-1"} {
			_, err := w.Put("lines", item{"order": text("o"), "line": number(line), "text": text(line)})
			w.must(err)
		}
		keys := map[string]int{}
		r := w.run(esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for i := range records {
				keys[records[i].Key]++
			}
			w.done["."] += len(records)
			return esm.Response{}, nil
		}), dynamodbstreams.Options{}, esm.Config{})
		time.Sleep(5 * time.Second)
		r.end()
		if len(keys) != 2 || keys[`{"line":{"N":"1"},"order":{"S":"o"}}`] != 3 {
			t.Errorf("keys %v", keys)
		}
	})
}

// AtTimestamp begins with the second that the time is in, also on a server that does not
// know iterators by time (DDB-47, DDB-48).
func TestAtTimestamp(t *testing.T) {
	t.Parallel()
	for name, unknown := range map[string]bool{"known": false, "unknown": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				if unknown {
					w.setFaults(on("GetShardIterator", func(c dynamodbstreamstest.Call) fault {
						if c.Type == "AT_TIMESTAMP" {
							return fault{Err: &dynamodbstreamstest.Error{Status: 400, Type: "ValidationException"}}
						}
						return fault{}
					}))
				}
				w.change("a")
				time.Sleep(10*time.Second + 600*time.Millisecond)
				w.change("b")
				time.Sleep(10 * time.Second)
				w.change("c")
				w.skip("a")
				r := w.run(w.journal(nil), dynamodbstreams.Options{
					StartingPosition: dynamodbstreams.AtTimestamp, StartingPositionTimestamp: w.began.Add(10*time.Second + 900*time.Millisecond),
				}, esm.Config{})
				w.until(2, time.Minute)
				time.Sleep(10 * time.Second)
				r.end()
				w.once()
				if w.finished() != 2 {
					t.Errorf("%d records were handled, want 2", w.finished())
				}
			})
		})
	}
}

// Tumbling windows take the records by their whole seconds (DDB-94, DDB-96).
func TestTumblingWindow(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		type windowed struct {
			Records []json.RawMessage `json:"Records"`
			ShardID string            `json:"shardId"`
			ARN     string            `json:"eventSourceARN"`
			IsFinal bool              `json:"isFinalInvokeForWindow"`
			State   map[string]int    `json:"state"`
			Window  struct{ Start string }
		}
		type answer struct {
			State map[string]int `json:"state"`
		}
		final := make(chan windowed, 10)
		r := w.run(esm.TypedResponse(func(_ context.Context, e windowed) (answer, error) {
			if e.IsFinal {
				final <- e
				return answer{}, nil
			}
			n := e.State["n"]
			return answer{State: map[string]int{"n": n + len(e.Records)}}, nil
		}), dynamodbstreams.Options{}, esm.Config{TumblingWindow: 30 * time.Second})
		for range 6 {
			w.change("a")
			time.Sleep(5 * time.Second)
		}
		time.Sleep(40 * time.Second)
		w.change("a")
		e := <-final
		r.end()
		if e.State["n"] != 6 || e.ShardID != w.open()[0] || e.ARN != w.arn {
			t.Errorf("%+v", e)
		}
	})
}
