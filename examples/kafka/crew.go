package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// crew is who works for the shop: the members of the group.
type crew struct {
	brokers []string
	shop    *shop

	working sync.WaitGroup
	leaves  map[string]context.CancelFunc // by member

	mu   sync.Mutex
	errs []error
}

func newCrew(brokers []string, shop *shop) *crew {
	return &crew{brokers: brokers, shop: shop, leaves: make(map[string]context.CancelFunc)}
}

// join has members begin.
func (c *crew) join(ctx context.Context, names ...string) error {
	for _, name := range names {
		failed, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...))
		if err != nil {
			return err
		}
		mapping, err := (&member{name, c.shop}).mapping(c.brokers, failed)
		if err != nil {
			failed.Close()
			return err
		}
		life, leave := context.WithCancel(ctx)
		c.leaves[name] = leave
		c.shop.sayf("%s starts", name)
		c.working.Go(func() {
			defer failed.Close()
			err := mapping.Run(life)
			c.shop.sayf("%s has stopped", name)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.errs = append(c.errs, err)
		})
	}
	return nil
}

// leave has a member stop: it ends the batches that it has begun, and is gone.
func (c *crew) leave(name string) {
	c.shop.sayf("%s is told to stop", name)
	c.leaves[name]()
}

// stop has all members stop, and waits for them.
func (c *crew) stop() error {
	for _, leave := range c.leaves {
		leave()
	}
	c.working.Wait()
	return errors.Join(c.errs...)
}

// share waits until these members, and no others, read the partitions, and a second
// longer.
func (c *crew) share(ctx context.Context, names ...string) error {
	for !slices.Equal(c.shop.members(), names) && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
