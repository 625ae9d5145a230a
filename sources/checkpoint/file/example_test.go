package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/file"
)

// Positions survive a restart of the process.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "orders.positions")
	store, err := file.Open(path, file.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	lease := checkpoint.Lease{Shard: "shardId-000000000000", Position: checkpoint.Position{Sequence: checkpoint.TrimHorizon}}
	if err := store.Create(ctx, lease); err != nil {
		fmt.Println(err)
	}
	next := lease
	next.Counter++
	next.Position.Sequence = "49590338271490256608559692538361571095921575989136588898"
	if err := store.Update(ctx, lease, next); err != nil {
		fmt.Println(err)
	}
	_, err = file.Open(path, file.Options{})
	fmt.Println("a second one:", errors.Is(err, file.ErrLocked))
	if err := store.Close(); err != nil {
		fmt.Println(err)
	}
	store, err = file.Open(path, file.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	leases, err := store.Leases(ctx)
	if err != nil {
		fmt.Println(err)
	}
	for _, l := range leases {
		fmt.Println(l.Shard, "is settled up to", l.Position.Sequence)
	}
	// Output:
	// a second one: true
	// shardId-000000000000 is settled up to 49590338271490256608559692538361571095921575989136588898
}
