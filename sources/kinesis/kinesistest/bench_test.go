package kinesistest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// fill returns a server whose one shard has a thousand records of 1 KiB, and
// an iterator for all of them.
func fill(b *testing.B) (*kinesistest.Server, *kinesis.Client, string) {
	b.Helper()
	server := kinesistest.New()
	b.Cleanup(func() { _ = server.Close() })
	if err := server.AddStream("bench", 1); err != nil {
		b.Fatal(err)
	}
	records := make([]kinesistest.Record, 1_000)
	for i := range records {
		records[i] = kinesistest.Record{Key: fmt.Sprint("device-", i), Data: []byte(strings.Repeat("x", 1<<10))}
	}
	if err := server.PutRecords("bench", records); err != nil {
		b.Fatal(err)
	}
	client := server.Client()
	out, err := client.GetShardIterator(b.Context(), &kinesis.GetShardIteratorInput{
		StreamName: new("bench"), ShardId: new(first), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		b.Fatal(err)
	}
	return server, client, *out.ShardIterator
}

// BenchmarkGetRecords is one GetRecords of a thousand records of 1 KiB, by the
// SDK.
func BenchmarkGetRecords(b *testing.B) {
	_, client, it := fill(b)
	b.ReportAllocs()
	for b.Loop() {
		out, err := client.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: &it})
		if err != nil || len(out.Records) != 1_000 {
			b.Fatal(err)
		}
	}
}

// nowhere is an answer that nobody reads.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkServer is the fake's part of that.
func BenchmarkServer(b *testing.B) {
	server, _, it := fill(b)
	body := `{"ShardIterator":"` + it + `"}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://kinesis.test/", strings.NewReader(body))
		r.Header["X-Amz-Target"] = []string{"Kinesis_20131202.GetRecords"}
		server.ServeHTTP(nowhere{make(http.Header)}, r)
	}
}

// BenchmarkIdleShards makes a stream of ten thousand shards.
func BenchmarkIdleShards(b *testing.B) {
	server := kinesistest.New()
	b.Cleanup(func() { _ = server.Close() })
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := server.AddStream(fmt.Sprint("idle", i), 10_000); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
