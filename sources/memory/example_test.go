package memory_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// read does what a mapping does: it reads a partition to its end and acks
// everything.
func read(ctx context.Context, partition sources.Partition, handle func(sources.Record)) error {
	buf := make([]sources.Record, 10)
	for {
		n, err := partition.Fetch(ctx, buf, time.Second)
		for _, record := range buf[:n] {
			handle(record)
		}
		if n > 0 {
			err = errors.Join(err, partition.Ack(ctx, buf[:n]))
		}
		if errors.Is(err, sources.ErrEnd) {
			return partition.Close(ctx)
		}
		if err != nil {
			return err
		}
	}
}

func ExampleQueue() {
	ctx := context.Background()
	queue := memory.NewQueue(memory.QueueOptions{Name: "orders"})
	queue.Send("apples")
	queue.Send("pears")
	queue.End() // a reader that has handled all may stop
	partition, err := queue.Source().Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = read(ctx, partition, func(r sources.Record) { fmt.Println(string(r.Data)) })
	fmt.Println(err, queue.Len(), queue.Deleted())
	// Output:
	// apples
	// pears
	// <nil> 0 2
}

func ExampleStream() {
	ctx := context.Background()
	stream := memory.NewStream(memory.StreamOptions{Name: "clicks"})
	stream.Put("user-1", []byte("home"))
	stream.Put("user-2", []byte("cart"))
	stream.End()
	partition, err := stream.Source("audit").Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = read(ctx, partition, func(r sources.Record) { fmt.Println(r.ID, r.Key, string(r.Data)) })
	fmt.Println(err, stream.Position("audit", partition.ID()), stream.Lag("audit"))
	// Output:
	// 1 user-1 home
	// 2 user-2 cart
	// <nil> 2 0
}

func ExampleTable() {
	ctx := context.Background()
	orders := memory.NewTable(memory.TableOptions{Name: "orders", Key: []string{"orderId"}, View: memory.NewImage})
	_, _ = orders.Put(memory.Item{"orderId": "o-1", "total": 12.5})
	_, _ = orders.Delete(memory.Item{"orderId": "o-1"})
	orders.Stream().End()
	partition, err := orders.Stream().Source("audit").Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = read(ctx, partition, func(r sources.Record) {
		change := r.Native.(*memory.StreamRecord).Change
		fmt.Println(change.Name, change.Keys["orderId"], change.New["total"])
	})
	fmt.Println(err)
	// Output:
	// INSERT o-1 12.5
	// REMOVE o-1 <nil>
	// <nil>
}
