package dynamodb_test

import (
	"crypto/rand"
	"net/http"
	"os"
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/checkpointtest"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/internal/plainhttp"
)

// realClient is a client of the server under test; the test is skipped without
// a server.
func realClient(t *testing.T) *awsdynamodb.Client {
	t.Helper()
	endpoint := os.Getenv("OPENESM_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("OPENESM_DYNAMODB_ENDPOINT is not set: no DynamoDB server to test against")
	}
	return awsdynamodb.New(awsdynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: plainhttp.Transport{}},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// realStore makes a table of its own, which goes with the test.
func realStore(tb testing.TB, client *awsdynamodb.Client) (store *dynamodb.Store, table string) {
	tb.Helper()
	table = "openesm-" + rand.Text()
	store = newStore(tb, client, table)
	if err := store.CreateTable(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return store, table
}

func TestRealConformance(t *testing.T) {
	t.Parallel()
	client := realClient(t)
	checkpointtest.Run(t, func(tb testing.TB) checkpointtest.Harness {
		tb.Helper()
		store, table := realStore(tb, client)
		return checkpointtest.Harness{
			Store:  store,
			Reopen: func() (checkpoint.Store, error) { return newStore(tb, client, table), nil },
		}
	})
}

// CreateTable is content with a table that is there.
func TestRealCreateTable(t *testing.T) {
	t.Parallel()
	client := realClient(t)
	store, table := realStore(t, client)
	if err := store.CreateTable(t.Context()); err != nil {
		t.Error(err)
	}
	out, err := client.DescribeTable(t.Context(), &awsdynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	if key := out.Table.KeySchema; len(key) != 1 || aws.ToString(key[0].AttributeName) != "leaseKey" {
		t.Errorf("the table has the key %v", key)
	}
}

// A row of KCL is taken over, and keeps what the store does not know.
func TestRealTakeOverFromKCL(t *testing.T) {
	t.Parallel()
	client := realClient(t)
	store, table := realStore(t, client)
	putRow(t, client, table, kclRow())
	last := only(t, store)
	taken := next(last)
	taken.Owner = "openesm-1"
	if err := store.Update(t.Context(), last, taken); err != nil {
		t.Fatal(err)
	}
	if got := only(t, store); !got.Equal(taken) {
		t.Errorf("got %+v, want %+v", got, taken)
	}
	want := kclRow()
	got := rows(t, client, table)[taken.Shard]
	for _, name := range []string{"pendingCheckpoint", "checkpointOwner", "throughputKBps", "entityType", "checkpoint"} {
		if !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s became %v, was %v", name, got[name], want[name])
		}
	}
	if switches := got["ownerSwitchesSinceCheckpoint"]; !reflect.DeepEqual(switches, n("3")) {
		t.Errorf("%v owner switches, want 3", switches)
	}
}
