package simulation

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
)

// twin is a source with one thing wrong. The simulation must catch it in each of
// the kinds, within so many seeds, as a break of one of the promises: the first,
// or one of the others for the reason that stands with the twin.
type twin struct {
	promises []int
	kinds    []string
	seeds    uint64
	wrong    func(*Sim) bend
}

var twins = map[string]twin{
	// The last record of a batch is P2's, those that the position passes with
	// it are P3's.
	"settles what it hands out": {[]int{2, 3}, []string{"queue", "fifo", "broker", "stream"}, 10, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			n, err := p.Fetch(ctx, buf, wait)
			if n > 0 {
				_ = p.Ack(ctx, buf[:n])
			}
			return n, err
		}}
	}},
	"settles what failed": {[]int{2}, []string{"queue", "fifo"}, 60, func(*Sim) bend {
		return bend{fail: func(ctx context.Context, records []sources.Record, p modelPartition) error {
			return p.Ack(ctx, records)
		}}
	}},
	"settles what is released": {[]int{2}, []string{"queue"}, 200, func(*Sim) bend {
		return bend{release: func(ctx context.Context, records []sources.Record, p modelPartition) error {
			return p.Ack(ctx, records)
		}}
	}},
	"settles what it holds when it is closed": {[]int{2, 3}, []string{"queue", "stream"}, 200, func(*Sim) bend {
		b, last := remember()
		b.close = func(ctx context.Context, p modelPartition) error {
			if records := last(p); len(records) > 0 {
				_ = p.Ack(ctx, records)
			}
			return p.Close(ctx)
		}
		return b
	}},
	"moves the position past all that it handed out": {[]int{3, 2}, []string{"stream"}, 60, func(*Sim) bend {
		b, last := remember()
		b.ack = func(ctx context.Context, _ []sources.Record, p modelPartition) error { return p.Ack(ctx, last(p)) }
		return b
	}},
	"moves the position back": {[]int{3}, []string{"stream"}, 60, func(*Sim) bend {
		var mu sync.Mutex
		acked := make(map[string][]sources.Record)
		return bend{ack: func(ctx context.Context, records []sources.Record, p modelPartition) error {
			mu.Lock()
			known := append(acked[p.ID()], records[len(records)-1])
			acked[p.ID()] = known
			mu.Unlock()
			if len(known) == 3 {
				records = known[:1]
			}
			return p.Ack(ctx, records)
		}}
	}},
	// A record that is not there is one that the position passes unfinished, one
	// whose successor begins before it, one that a window waits for in vain, or
	// one that is not released.
	"loses records": {[]int{1, 3, 4, 5, 8, 11}, []string{"queue", "fifo", "broker", "stream"}, 60, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			n, err := p.Fetch(ctx, buf, wait)
			if n > 1 {
				n = copy(buf, buf[1:n])
			}
			return n, err
		}}
	}},
	// What is not settled comes again, in calm runs too.
	"settles nothing": {[]int{1, 5}, []string{"queue", "fifo", "broker", "stream"}, 10, func(*Sim) bend {
		return bend{ack: func(context.Context, []sources.Record, modelPartition) error { return nil }}
	}},
	"begins behind what was not settled": {[]int{1, 3, 4}, []string{"stream"}, 60, func(*Sim) bend {
		return bend{accept: func(ctx context.Context, s modelSource) (sources.Partition, error) {
			p, err := s.Accept(ctx)
			if p, ok := p.(*streamPartition); ok && p.life.number > 1 {
				p.cursor = len(p.shard.messages)
			}
			return p, err
		}}
	}},
	"begins before what was settled": {[]int{12}, []string{"stream"}, 30, func(*Sim) bend {
		return bend{accept: func(ctx context.Context, s modelSource) (sources.Partition, error) {
			p, err := s.Accept(ctx)
			if p, ok := p.(*streamPartition); ok {
				p.cursor = 0
			}
			return p, err
		}}
	}},
	// Of a group the second copy is out of order.
	"hands out twice": {[]int{5, 4}, []string{"queue", "fifo", "broker"}, 60, func(*Sim) bend {
		var again []sources.Record
		var mu sync.Mutex
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			mu.Lock()
			if n := copy(buf, again); n > 0 {
				again = nil
				mu.Unlock()
				return n, nil
			}
			mu.Unlock()
			n, err := p.Fetch(ctx, buf, wait)
			if n > 0 {
				mu.Lock()
				again = slices.Clone(buf[:1])
				mu.Unlock()
			}
			return n, err
		}}
	}},
	"hands out a group's next records while others run": {[]int{4}, []string{"fifo"}, 10, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			n := 0
			err := p.process().Call(ctx, "take", func() error {
				q, ok := p.(*queuePartition)
				if !ok {
					return nil
				}
				q.queue.sim.kind.Grouped = false
				n = copy(buf, q.queue.take(q, len(buf), time.Now()))
				q.queue.sim.kind.Grouped = true
				return nil
			})
			if n > 0 || err != nil {
				return n, err
			}
			return p.Fetch(ctx, buf, wait)
		}}
	}},
	"does not tell of its groups": {[]int{4}, []string{"fifo"}, 200, func(*Sim) bend {
		return bend{traits: func(t *sources.Traits) { t.Grouped = false }}
	}},
	"gives every record a key of its own": {[]int{4}, []string{"stream"}, 30, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			n, err := p.Fetch(ctx, buf, wait)
			for i := range n {
				buf[i].Key = buf[i].ID
			}
			return n, err
		}}
	}},
	"does not tell that it lost a partition": {[]int{4}, []string{"stream"}, 200, func(*Sim) bend {
		return bend{revoke: func(revoked, _ func(), p *streamPartition) { p.OnRevoke(revoked, func() {}) }}
	}},
	"reads a partition when the one before is drained": {[]int{6}, []string{"stream"}, 100, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			for blocked(ctx, p) {
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case <-time.After(time.Minute):
				}
			}
			return p.Fetch(ctx, buf, wait)
		}}
	}},
	// More bytes than allowed are held, too.
	"takes every record for one byte": {[]int{8, 7}, []string{"stream"}, 200, func(*Sim) bend { return sized(func(int) int { return 1 }) }},
	"takes a record for a byte less":  {[]int{8}, []string{"queue"}, 200, func(*Sim) bend { return sized(func(n int) int { return n - 1 }) }},
	"does not tell of its overhead": {[]int{8}, []string{"queue"}, 200, func(*Sim) bend {
		return bend{traits: func(t *sources.Traits) { t.EventOverhead -= 2 }}
	}},
	"overstays its wait": {[]int{8}, []string{"queue", "broker"}, 60, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, buf []sources.Record, _ time.Duration, p modelPartition) (int, error) {
			return p.Fetch(ctx, buf, forever)
		}}
	}},
	"does not wait": {[]int{9}, []string{"queue", "fifo", "broker", "stream"}, 10, func(*Sim) bend {
		return bend{fetch: func(ctx context.Context, _ []sources.Record, _ time.Duration, p modelPartition) (int, error) {
			l := p.process()
			return 0, l.wait(ctx, "look", latencyNone, func(c *call) { l.finish(c, nil) })
		}}
	}},
	"ends though it could go on": {[]int{9}, []string{"queue", "fifo", "broker", "stream"}, 10, func(*Sim) bend {
		accepted := false
		return bend{accept: func(ctx context.Context, s modelSource) (sources.Partition, error) {
			if accepted {
				return nil, sources.ErrUnusable
			}
			accepted = true
			return s.Accept(ctx)
		}}
	}},
	"keeps what is released": {[]int{11, 5}, []string{"queue"}, 200, func(*Sim) bend {
		return bend{release: func(context.Context, []sources.Record, modelPartition) error { return nil }}
	}},
	"is never closed": {[]int{11}, []string{"queue", "fifo", "broker", "stream"}, 10, func(s *Sim) bend {
		return bend{close: func(context.Context, modelPartition) error {
			<-s.over
			return nil
		}}
	}},
	"leaves a goroutine behind": {[]int{11}, []string{"queue", "stream"}, 10, func(*Sim) bend {
		return bend{close: func(ctx context.Context, p modelPartition) error {
			go func() { select {} }()
			return p.Close(ctx)
		}}
	}},
}

// blocked reports whether a shard before p's is not drained.
func blocked(ctx context.Context, p modelPartition) (blocked bool) {
	_ = p.process().Call(ctx, "look", func() error {
		s, ok := p.(*streamPartition)
		for i := 0; ok && s.stream.shards[i] != s.shard; i++ {
			blocked = blocked || s.stream.shards[i].position < len(s.stream.shards[i].messages)
		}
		return nil
	})
	return blocked
}

// remember is a bend that knows the last record of each partition that was
// handed out.
func remember() (bend, func(modelPartition) []sources.Record) {
	var mu sync.Mutex
	last := make(map[string][]sources.Record)
	return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
			n, err := p.Fetch(ctx, buf, wait)
			if n > 0 {
				mu.Lock()
				last[p.ID()] = slices.Clone(buf[n-1 : n])
				mu.Unlock()
			}
			return n, err
		}}, func(p modelPartition) []sources.Record {
			mu.Lock()
			defer mu.Unlock()
			return last[p.ID()]
		}
}

// sized is a bend that is wrong about the size of records.
func sized(size func(int) int) bend {
	return bend{fetch: func(ctx context.Context, buf []sources.Record, wait time.Duration, p modelPartition) (int, error) {
		n, err := p.Fetch(ctx, buf, wait)
		for i := range n {
			buf[i].Size = size(buf[i].Size)
		}
		return n, err
	}}
}

// TestTwins holds the checkers to their work: each twin is caught.
func TestTwins(t *testing.T) {
	t.Parallel()
	for name, twin := range twins {
		for _, kind := range models {
			if !slices.Contains(twin.kinds, kind.Name) {
				continue
			}
			t.Run(name+"/"+kind.Name, func(t *testing.T) {
				t.Parallel()
				seed, v := catch(t, kind, func(s *Sim, source sources.Source) sources.Source {
					right, ok := source.(modelSource)
					if !ok {
						t.Error("a model's source lacks an ability")
					}
					return &bent{right, twin.wrong(s)}
				}, twin.seeds)
				switch {
				case v == nil:
					t.Errorf("not caught within %d seeds", twin.seeds)
				case !slices.Contains(twin.promises, v.Promise):
					t.Errorf("seed %d breaks %v, and not one of P%v", seed, v, twin.promises)
				default:
					t.Logf("seed %d of %s breaks %v", seed, kind.Name, v)
				}
			})
		}
	}
}
