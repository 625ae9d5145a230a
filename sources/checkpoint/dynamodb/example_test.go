package dynamodb_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

// Two workers share a table; the counter fences the one that is late.
func Example() {
	ctx := context.Background()
	server := dynamodbtest.New() // in production: the client of the AWS SDK
	defer func() { _ = server.Close() }()
	client := server.Client()
	store, err := dynamodb.New(client, "orders-consumer", dynamodb.Options{Tags: map[string]string{"team": "orders"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := store.CreateTable(ctx); err != nil {
		fmt.Println(err)
		return
	}
	free := checkpoint.Lease{Shard: "shardId-000000000000", Position: checkpoint.Position{Sequence: checkpoint.TrimHorizon}}
	if err := store.Create(ctx, free); err != nil {
		fmt.Println(err)
	}
	take := func(owner string) error {
		taken := free
		taken.Owner, taken.Counter = owner, free.Counter+1
		return store.Update(ctx, free, taken)
	}
	fmt.Println("worker 1:", take("worker-1"))
	fmt.Println("worker 2 is late:", errors.Is(take("worker-2"), checkpoint.ErrConflict))
	// Output:
	// worker 1: <nil>
	// worker 2 is late: true
}
