package dynamodbstreamstest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// start starts a fake with a table whose stream has one shard and one record.
func start(t *testing.T) (server *dynamodbstreamstest.Server, arn, shard, iterator string) {
	t.Helper()
	server = dynamodbstreamstest.New()
	arn, err := server.AddTable("orders", dynamodbstreamstest.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Put("orders", item{"id": text("a")}); err != nil {
		t.Fatal(err)
	}
	shard = server.Shards(arn)[0].ID
	out, err := server.Client().GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &arn, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, arn, shard, *out.ShardIterator
}

// TestWire holds the fake to what all of them promise, by what is read, with the
// errors of the service (DDB-50).
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, func(t *testing.T) wiretest.Subject[dynamodbstreamstest.Call, dynamodbstreamstest.Fault] {
		server, _, _, iterator := start(t)
		reads := 0 // told with the server's mutex held, one call after the other
		server.SetWatch(func(dynamodbstreamstest.Event) { reads++ })
		client := server.Client()
		return wiretest.Subject[dynamodbstreamstest.Call, dynamodbstreamstest.Fault]{
			Fake: server, SetGate: func(g wirefake.Gate[dynamodbstreamstest.Call, dynamodbstreamstest.Fault]) { server.SetGate(g) },
			Action: "GetRecords",
			Call: func(ctx context.Context) error {
				_, err := client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator})
				return err
			},
			Effects: func() int {
				server.Shards("") // for the mutex
				return reads
			},
			Fault: func(p wirefake.Plan) dynamodbstreamstest.Fault {
				err, _ := errors.AsType[*dynamodbstreamstest.Error](p.Err)
				return dynamodbstreamstest.Fault{Err: err, Cut: dynamodbstreamstest.Cut(p.Cut), Delay: p.Delay}
			},
			Number: func(c dynamodbstreamstest.Call) int { return c.Number },
			Errors: []wiretest.Failure{
				{Err: dynamodbstreamstest.LimitExceeded(), Code: "LimitExceededException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.ThrottlingException(), Code: "ThrottlingException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.InternalServerError(), Code: "InternalServerError", Status: http.StatusInternalServerError},
				{Err: dynamodbstreamstest.ServiceUnavailable(), Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable},
				{Err: dynamodbstreamstest.AccessDenied(), Code: "AccessDeniedException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.ExpiredToken(), Code: "ExpiredTokenException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.ExpiredIterator(), Code: "ExpiredIteratorException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.TrimmedDataAccess(), Code: "TrimmedDataAccessException", Status: http.StatusBadRequest},
				{Err: dynamodbstreamstest.ResourceNotFound(), Code: "ResourceNotFoundException", Status: http.StatusBadRequest},
			},
		}
	})
}

// FuzzWire makes any calls: see [wiretest.Fuzz]. $0 to $9 are iterators and where
// lists go on, $a the stream, $s its shard, $n a sequence number.
func FuzzWire(f *testing.F) {
	f.Add("DynamoDBStreams_20120810.GetRecords", []byte(`{"ShardIterator":"q"}`), int64(21), `DescribeStream {"StreamArn":"$a","Limit":1}
GetShardIterator {"StreamArn":"$a","ShardId":"$s","ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"$n"}
GetRecords {"ShardIterator":"$0","Limit":2}
GetRecords {"ShardIterator":"$1"}
901
GetRecords {"ShardIterator":"$1"}
GetShardIterator {"StreamArn":"$a","ShardId":"$s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":9.4e8}
ListStreams {"TableName":"orders","Limit":1}`)
	f.Add("", []byte(nil), int64(-1), `DescribeStream {"StreamArn":"$a","ShardFilter":{"Type":"CHILD_SHARDS","ShardId":"$s"}}
ListStreams {"ExclusiveStartStreamArn":"$a","Limit":101}
GetShardIterator {"StreamArn":"$a","ShardId":"$s","ShardIteratorType":"LATEST"}
86401
GetShardIterator {"StreamArn":"$a","ShardId":"$s","ShardIteratorType":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"$n"}
GetRecords {"ShardIterator":"$0","Limit":1001}
GetShardIterator {"StreamArn":"$a","ShardId":"$s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":-1e300}`)
	f.Add("DynamoDBStreams_20120810.\n\x00", []byte(`[`), int64(1<<40), `DescribeStream {"StreamArn":"\u0000","Limit":-1}
DescribeStream {"Nothing":1}
GetRecords {"ShardIterator":"$a|1|e30="}
GetRecords {"ShardIterator":"$a|1|eyJzIjoiJHMiLCJuIjoxfQ=="}`)
	wiretest.Fuzz(f, func(t *testing.T) *wiretest.Caller {
		t.Helper()
		server, arn, shard, _ := start(t)
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return &wiretest.Caller{
			T: t, Server: server, Target: "DynamoDBStreams_20120810.", ContentType: "application/x-amz-json-1.0",
			Unit: 1e9, Names: map[string]string{"$a": arn, "$s": shard, "$n": server.Numbers(arn, shard)[0]},
			Answered: func(answer map[string]any) []string {
				var list []string
				for _, name := range []string{"ShardIterator", "NextShardIterator", "LastEvaluatedStreamArn"} {
					if text, ok := answer[name].(string); ok {
						list = append(list, text)
					}
				}
				return list
			},
		}
	})
}
