package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// plant is the business, which outlives its workers: it takes readings and holds
// them to their order.
type plant struct {
	out   io.Writer
	start time.Time

	mu       sync.Mutex
	readers  map[string]string // worker by shard
	next     map[string]int    // reading by sensor
	handled  int
	repeated int
	failed   int
	disorder int
	news     chan struct{}
}

func newPlant(out io.Writer) *plant {
	return &plant{
		out: out, start: time.Now(), readers: make(map[string]string), next: make(map[string]int), news: make(chan struct{}, 1),
	}
}

// sayf prints a line of what happens.
func (p *plant) sayf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%6.2fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

// reads tells when a shard gets another worker.
func (p *plant) reads(worker, shard string) {
	p.mu.Lock()
	changed := p.readers[shard] != worker
	p.readers[shard] = worker
	p.mu.Unlock()
	if changed {
		p.sayf("%s reads %s", worker, shard)
	}
}

// take handles a reading; it cannot handle poison.
func (p *plant) take(sensor, text string) bool {
	kind, n := parse(text)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case n < p.next[sensor]:
		p.repeated++ // at least once: its position was not stored
		return true
	case kind == "poison":
		return false
	}
	p.advance(sensor, n)
	p.handled++
	return true
}

// giveUp takes what a worker could not handle.
func (p *plant) giveUp(sensor, text string) {
	_, n := parse(text)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n < p.next[sensor] {
		p.repeated++
		return
	}
	p.advance(sensor, n)
	p.failed++
}

// advance notes that a sensor's reading is done, which is the next one. The mutex
// is held.
func (p *plant) advance(sensor string, n int) {
	if n != p.next[sensor] {
		p.disorder++
	}
	p.next[sensor] = n + 1
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func parse(text string) (kind string, n int) {
	_, err := fmt.Sscanf(text, "%s %d", &kind, &n)
	if err != nil {
		panic(err) // nobody else writes to the stream
	}
	return kind, n
}

// wait waits until every reading is done.
func (p *plant) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		done := p.handled + p.failed
		p.mu.Unlock()
		if done == sensors*rounds {
			return nil
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// account prints where every reading went, and the positions that are stored.
func (p *plant) account(ctx context.Context, server *kinesistest.Server, store *checkpoint.Memory) error {
	leases, err := store.Leases(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(leases, func(a, b checkpoint.Lease) int { return strings.Compare(a.Shard, b.Shard) })
	sent, ended := 0, 0
	for _, shard := range server.Shards(stream) {
		sent += shard.Put
	}
	fmt.Fprintln(p.out, "\nstored positions")
	for _, lease := range leases {
		fmt.Fprintf(p.out, "  %s  %s\n", lease.Shard, lease.Position.Sequence)
		if lease.Position.Ended() {
			ended++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, `
sent           %4d
handled        %4d
given up       %4d  delivered to the destination
out of order   %4d
repeated       %4d  handled again, as a shard changed hands
shards ended   %4d  the one that was split
`, sent, p.handled, p.failed, p.disorder, p.repeated, ended)
	if p.handled+p.failed == sent && p.disorder == 0 && ended == 1 {
		fmt.Fprintln(p.out, "\nIt adds up: every reading was handled or delivered, in the order of its sensor.")
	} else {
		fmt.Fprintln(p.out, "\nIt does not add up.")
	}
	return nil
}
