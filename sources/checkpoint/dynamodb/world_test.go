package dynamodb_test

import (
	"testing"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

const tableName = "orders-consumer"

// world is a store on a table of the fake.
type world struct {
	t      testing.TB
	server *dynamodbtest.Server
	client *awsdynamodb.Client
	store  *dynamodb.Store
}

// newWorld gives a world without a table.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	server := dynamodbtest.New()
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	w := &world{t: tb, server: server, client: server.Client()}
	w.store = newStore(tb, w.client, tableName)
	return w
}

// withTable gives a world with an empty table.
func withTable(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb)
	createTable(tb, w.client, "leaseKey")
	return w
}

func newStore(tb testing.TB, client dynamodb.Client, table string) *dynamodb.Store {
	tb.Helper()
	store, err := dynamodb.New(client, table, dynamodb.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return store
}

// createTable makes the table as somebody else would.
func createTable(tb testing.TB, client *awsdynamodb.Client, key string) {
	tb.Helper()
	table := tableName
	_, err := client.CreateTable(tb.Context(), &awsdynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS}},
	})
	if err != nil {
		tb.Fatal(err)
	}
}

type row = map[string]types.AttributeValue

func s(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
func n(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }
func ss(list ...string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: list}
}

// putRow writes a row as somebody else would.
func putRow(tb testing.TB, client *awsdynamodb.Client, table string, r row) {
	tb.Helper()
	_, err := client.PutItem(tb.Context(), &awsdynamodb.PutItemInput{TableName: &table, Item: r})
	if err != nil {
		tb.Fatal(err)
	}
}

// rows are the rows of the table by their keys.
func rows(tb testing.TB, client *awsdynamodb.Client, table string) map[string]row {
	tb.Helper()
	consistent := true
	out, err := client.Scan(tb.Context(), &awsdynamodb.ScanInput{TableName: &table, ConsistentRead: &consistent})
	if err != nil {
		tb.Fatal(err)
	}
	list := make(map[string]row)
	for _, r := range out.Items {
		key, ok := r["leaseKey"].(*types.AttributeValueMemberS)
		if !ok {
			tb.Fatalf("a row without a key: %v", r)
		}
		list[key.Value] = r
	}
	return list
}

// only returns the one lease of the store.
func only(tb testing.TB, store *dynamodb.Store) checkpoint.Lease {
	tb.Helper()
	list, err := store.Leases(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if len(list) != 1 {
		tb.Fatalf("got %d leases, want one", len(list))
	}
	return list[0]
}

// shardLease is a lease as an adapter makes it.
func shardLease() checkpoint.Lease {
	return checkpoint.Lease{
		Shard:    "shardId-000000000000",
		Position: checkpoint.Position{Sequence: checkpoint.TrimHorizon},
		Parents:  []string{"shardId-000000000009"},
	}
}

func next(last checkpoint.Lease) checkpoint.Lease {
	l := last.Clone()
	l.Counter++
	return l
}
