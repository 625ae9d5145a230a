package dynamodbtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// start starts a fake with the table t, whose key is k.
func start(t *testing.T) *dynamodbtest.Server {
	t.Helper()
	server := dynamodbtest.New()
	_, err := server.Client().CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: new("t"), BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: new("k"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: new("k"), AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// putter puts items, each with a key of its own.
func putter(server *dynamodbtest.Server) func(context.Context) error {
	client := server.Client(func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
	var keys atomic.Int64
	return func(ctx context.Context) error {
		key := &types.AttributeValueMemberS{Value: strconv.FormatInt(keys.Add(1), 10)}
		_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: new("t"), Item: map[string]types.AttributeValue{"k": key}})
		return err
	}
}

// items is how many items there are, also after Close.
func items(t *testing.T, server *dynamodbtest.Server) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://dynamodb.test/", strings.NewReader(`{"TableName":"t"}`))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.Scan")
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	var answer struct {
		Count int `json:"Count"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Errorf("Scan: %d, %s", w.Code, w.Body)
	}
	if sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE(w.Body.Bytes())), 10); w.Header().Get("X-Amz-Crc32") != sum {
		t.Errorf("the checksum of %s is %s, the header %v", w.Body, sum, w.Header())
	}
	return answer.Count
}

// A member that the fake does not know could be a condition that passes by mistake.
func TestUnknownMember(t *testing.T) {
	t.Parallel()
	server := start(t)
	defer server.Close()
	c := wiretest.Caller{T: t, Server: server}
	status, kind := c.Refused("DynamoDB_20120810.Scan", `{"TableName":"t","Filter":1}`)
	if status != http.StatusBadRequest || kind != "com.amazon.coral.service#SerializationException" {
		t.Errorf("got status %d, %s", status, kind)
	}
}

// TestWire holds the fake to what all of them promise, by what is put.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, func(t *testing.T) wiretest.Subject[dynamodbtest.Call, dynamodbtest.Fault] {
		server := start(t)
		return wiretest.Subject[dynamodbtest.Call, dynamodbtest.Fault]{
			Fake: server, Action: "PutItem", Call: putter(server),
			Effects: func() int { return items(t, server) },
			Fault: func(p wirefake.Plan) dynamodbtest.Fault {
				err, _ := errors.AsType[*dynamodbtest.Error](p.Err)
				return dynamodbtest.Fault{Err: err, Cut: dynamodbtest.Cut(p.Cut), Delay: p.Delay}
			},
			Number: func(c dynamodbtest.Call) int { return c.Number },
			Errors: []wiretest.Failure{
				{Err: dynamodbtest.ThroughputExceeded(), Code: "ProvisionedThroughputExceededException", Status: http.StatusBadRequest},
				{Err: dynamodbtest.ThrottlingException(), Code: "ThrottlingException", Status: http.StatusBadRequest},
				{Err: dynamodbtest.InternalServerError(), Code: "InternalServerError", Status: http.StatusInternalServerError},
				{Err: dynamodbtest.AccessDenied(), Code: "AccessDeniedException", Status: http.StatusBadRequest},
			},
		}
	})
}

// TestStressClose closes a fake under calls; what was accepted is there.
func TestStressClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t)
		server.SetFault(func(dynamodbtest.Call) dynamodbtest.Fault { return dynamodbtest.Fault{Delay: time.Millisecond} })
		put := putter(server)
		var accepted atomic.Int64
		use := func(ctx context.Context) {
			for ctx.Err() == nil {
				if put(ctx) == nil {
					accepted.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		}
		wiretest.CloseUnder(t, server, func() { time.Sleep(time.Second) }, use, use, use)
		if got := int64(items(t, server)); got < accepted.Load() || got == 0 {
			t.Errorf("%d items, %d were accepted", got, accepted.Load())
		}
	})
}

// FuzzWire makes any calls of a table: see [wiretest.Fuzz].
func FuzzWire(f *testing.F) {
	f.Add("DynamoDB_20120810.PutItem", []byte(`{"TableName":"t","Item":{"k":{"S":"a"}}}`), int64(40), `UpdateItem {"TableName":"t","Key":{"k":{"S":"a"}},"UpdateExpression":"SET #a = :a ADD #n :n","ConditionExpression":"attribute_exists(#k)","ExpressionAttributeNames":{"#a":"a","#n":"n","#k":"k"},"ExpressionAttributeValues":{":a":{"SS":["x","y"]},":n":{"N":"1"}}}
Scan {"TableName":"t","Limit":1,"ConsistentRead":true}
Scan {"TableName":"t","ExclusiveStartKey":{"k":{"S":"a"}}}
DeleteItem {"TableName":"t","Key":{"k":{"S":"a"}},"ConditionExpression":"#n = :n","ExpressionAttributeNames":{"#n":"n"},"ExpressionAttributeValues":{":n":{"N":"1"}}}`)
	f.Add("", []byte(nil), int64(-1), `CreateTable {"TableName":"u","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"k","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"k","AttributeType":"S"}]}
PutItem {"TableName":"u","Item":{"k":{"S":"a"}}}
60
DescribeTable {"TableName":"u"}
PutItem {"TableName":"u","Item":{"k":{"N":"1"}}}
Scan {"TableName":"nobody","Filter":1}`)
	wiretest.Fuzz(f, func(t *testing.T) *wiretest.Caller {
		t.Helper()
		server := start(t)
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		server.SetCreation(time.Minute)
		return &wiretest.Caller{
			T: t, Server: server, Target: "DynamoDB_20120810.", ContentType: "application/x-amz-json-1.0",
			Unit: time.Second, Answered: func(map[string]any) []string { return nil },
		}
	})
}
