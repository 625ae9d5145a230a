package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// members are those of the consumer group: mappings that share the partitions out.
type members struct {
	brokers []string
	shop    *shop

	working sync.WaitGroup
	leaves  map[string]context.CancelFunc // by member

	mu   sync.Mutex
	errs []error
}

func newMembers(brokers []string, shop *shop) *members {
	return &members{brokers: brokers, shop: shop, leaves: make(map[string]context.CancelFunc)}
}

// join has members begin.
func (g *members) join(ctx context.Context, names ...string) error {
	for _, name := range names {
		failed, err := kgo.NewClient(kgo.SeedBrokers(g.brokers...))
		if err != nil {
			return err
		}
		mapping, err := (&member{name, g.shop}).mapping(g.brokers, failed)
		if err != nil {
			failed.Close()
			return err
		}
		life, leave := context.WithCancel(ctx)
		g.leaves[name] = leave
		g.shop.sayf("%s starts", name)
		g.working.Go(func() {
			defer failed.Close()
			err := mapping.Run(life)
			g.shop.sayf("%s has stopped", name)
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
		})
	}
	return nil
}

// leave has a member stop: it ends the batches that it has begun, and is gone.
func (g *members) leave(name string) {
	g.shop.sayf("%s is told to stop", name)
	g.leaves[name]()
}

// stop has all members stop, and waits for them.
func (g *members) stop() error {
	for _, leave := range g.leaves {
		leave()
	}
	g.working.Wait()
	return errors.Join(g.errs...)
}

// share waits until these members, and no others, read the partitions, and a second
// longer.
func (g *members) share(ctx context.Context, names ...string) error {
	for !slices.Equal(g.shop.members(), names) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
