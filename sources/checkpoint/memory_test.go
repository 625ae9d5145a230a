package checkpoint_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/checkpointtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, func(testing.TB) checkpointtest.Harness {
		return checkpointtest.Harness{Store: checkpoint.NewMemory()}
	})
}

// Workers in one process share a store in tests, so it must not be exclusive.
func TestNotExclusive(t *testing.T) {
	t.Parallel()
	var store checkpoint.Store = checkpoint.NewMemory()
	if _, ok := store.(checkpoint.Exclusive); ok {
		t.Error("the store says that it is exclusive")
	}
}

func ExampleNewMemory() {
	ctx := context.Background()
	store := checkpoint.NewMemory()
	lease := checkpoint.Lease{Shard: "shardId-000000000000", Position: checkpoint.Position{Sequence: checkpoint.TrimHorizon}}
	fmt.Println(store.Create(ctx, lease))
	fmt.Println(store.Create(ctx, lease))
	// Output:
	// <nil>
	// lease was changed by somebody else
}
