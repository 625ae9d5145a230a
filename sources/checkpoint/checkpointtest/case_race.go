package checkpointtest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/openesm/openesm/sources/checkpoint"
)

func raceCases() []testCase {
	return []testCase{
		{"OneCreates", "of concurrent Creates of one shard exactly one wins, the others get ErrConflict", oneCreates, false},
		{"OneUpdates", "of concurrent Updates of one Counter exactly one wins, the others get ErrConflict", oneUpdates, false},
		{"OneOfBoth", "of a concurrent Update and Delete of one Counter exactly one wins", oneOfBoth, false},
		{"ManyWriters", "writers of different leases do not disturb each other", manyWriters, false},
		{"Many", "Leases lists every lease, however many there are", many, false},
	}
}

const (
	workers = 8
	rounds  = 10
)

// together calls f(0) to f(n-1) at once and returns their errors.
func together(n int, f func(i int) error) []error {
	list := make([]error, n)
	var running sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		running.Go(func() {
			<-start
			list[i] = f(i)
		})
	}
	close(start)
	running.Wait()
	return list
}

// winner returns the only call that had no error. The others must have
// ErrConflict.
func (p *probe) winner(what string, list []error) int {
	won := -1
	for i, err := range list {
		switch {
		case err == nil && won >= 0:
			p.brokenf("two of %d concurrent %s of one lease won", len(list), what)
		case err == nil:
			won = i
		case !errors.Is(err, checkpoint.ErrConflict):
			p.brokenf("concurrent %s: %v, want nil or ErrConflict", what, err)
		}
	}
	if won < 0 {
		p.brokenf("none of %d concurrent %s of one lease won", len(list), what)
	}
	return won
}

// by is the lease as worker i would write it.
func by(lease checkpoint.Lease, i int) checkpoint.Lease {
	lease = lease.Clone()
	lease.Owner = "worker-" + strconv.Itoa(i)
	lease.Position.Sequence = strconv.Itoa(i)
	return lease
}

func oneCreates(p *probe) {
	want := make([]checkpoint.Lease, 0, rounds)
	for round := range rounds {
		a := full("shard-" + strconv.Itoa(round))
		won := p.winner("Creates", together(workers, func(i int) error {
			return p.store.Create(p.ctx, by(a, i))
		}))
		want = append(want, by(a, won))
	}
	p.holds("after concurrent Creates", want...)
}

func oneUpdates(p *probe) {
	last := full("a")
	p.create(last)
	for range rounds {
		won := p.winner("Updates", together(workers, func(i int) error {
			return p.store.Update(p.ctx, last, by(renewed(last), i))
		}))
		last = by(renewed(last), won)
		p.holds("after concurrent Updates", last)
	}
}

func oneOfBoth(p *probe) {
	for round := range rounds {
		last := full("shard-" + strconv.Itoa(round))
		p.create(last)
		list := together(2, func(i int) error {
			if i == 0 {
				return p.store.Update(p.ctx, last, renewed(last))
			}
			return p.store.Delete(p.ctx, last)
		})
		p.winner("writes, an Update and a Delete,", list)
		if list[1] == nil {
			p.holds("after Delete won")
			continue
		}
		p.holds("after Update won", renewed(last))
		p.remove(renewed(last))
	}
}

func manyWriters(p *probe) {
	finals := make([]checkpoint.Lease, workers)
	for i, err := range together(workers, func(i int) error {
		last := full("shard-" + strconv.Itoa(i))
		if err := p.store.Create(p.ctx, last); err != nil {
			return fmt.Errorf("create: %w", err)
		}
		for n := range rounds {
			next := by(renewed(last), n)
			next.Owner = last.Owner
			if err := p.store.Update(p.ctx, last, next); err != nil {
				return fmt.Errorf("update: %w", err)
			}
			last = next
		}
		finals[i] = last
		_, err := p.store.Leases(p.ctx)
		return err
	}) {
		if err != nil {
			p.brokenf("writer %d, alone with its lease: %v", i, err)
		}
	}
	p.holds("after all have written", finals...)
}

func many(p *probe) {
	want := make([]checkpoint.Lease, p.harness.Many)
	for i := range want {
		want[i] = full(fmt.Sprintf("shardId-%012d", i))
		want[i].Window = allBytes()
	}
	// several at once, because a network is slow
	for _, err := range together(workers, func(worker int) error {
		for i := worker; i < len(want); i += workers {
			if err := p.store.Create(p.ctx, want[i]); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			p.brokenf("Create of one of %d: %v", len(want), err)
		}
	}
	p.holds(fmt.Sprintf("after Create of %d", len(want)), want...)
}
