package sourcetest

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

// hangable is a queue whose calls are said to hang at times.
func hangable(bend func(*bent)) Harness {
	h := standard(bend)
	h.Hang = func(context.Context) (func(), error) { return func() {}, nil }
	return h
}

func hangFaults() []brokenAdapter {
	late := func(ctx context.Context, p *bentPartition, buf []sources.Record, wait time.Duration) (int, error) {
		time.Sleep(wait + 20*time.Second)
		return p.Partition.Fetch(ctx, buf, wait)
	}
	endless := func(ctx context.Context, p *bentPartition) error {
		time.Sleep(time.Minute)
		return p.Partition.Close(ctx)
	}
	lost := func(context.Context, *bentPartition, []sources.Record, time.Duration) (int, error) {
		return 0, sources.ErrLost
	}
	return []brokenAdapter{
		{"waits for a call", hangable, func(b *bent) { b.fetch = late }, []string{"HungCall", "HungClose"}},
		{"waits for a call to close", hangable, func(b *bent) { b.close = endless }, []string{"HungClose"}},
		{"takes a hung call for a loss", hangable, func(b *bent) { b.fetch = lost }, []string{"HungCall"}},
	}
}
