package sqs

import (
	"context"
	"sync"
)

// order is a receive to be made.
type order struct {
	own    *waiter // whose receive it is; nil for a shared one
	places int
	wait   int32 // seconds
}

// crew makes receives in goroutines of its own. They stay for the next order,
// for a new one would have to grow its stack to the depth of the SDK each time,
// which costs a tenth of a receive.
type crew struct {
	receive func(order, *receipt)
	orders  chan order // taken by those that are idle
	busy    sync.WaitGroup
	members sync.WaitGroup
}

func newCrew(receive func(order, *receipt)) *crew {
	return &crew{receive: receive, orders: make(chan order)}
}

// begin has o done by somebody idle or somebody new, and does not block. Once
// ctx, which is always the same, is done and the order too, the goroutine ends.
func (c *crew) begin(ctx context.Context, o order) {
	c.busy.Add(1)

	select {
	case c.orders <- o:
	default:
		c.members.Go(func() { c.run(ctx, o) })
	}
}

func (c *crew) run(ctx context.Context, o order) {
	var r receipt

	for {
		c.receive(o, &r)
		clear(r.records[:]) // they are somebody else's now
		c.busy.Done()

		select {
		case o = <-c.orders:
		case <-ctx.Done():
			return
		}
	}
}
