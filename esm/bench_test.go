package esm_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// endless is a source that always has records: what remains is the engine.
type endless struct {
	sources.Source
	ordered bool
	ahead   bool // it reads ahead by itself
	left    int
}

func (e *endless) Traits() sources.Traits {
	t := e.Source.Traits()
	t.Ordered, t.Redelivers, t.ReadsAhead = e.ordered, !e.ordered, e.ahead
	t.BatchSize = sources.Bounds[int]{Default: 100, Max: 10_000}
	t.Scaling = sources.Scaling{Initial: 1, Idle: 1, Max: 1}
	return t
}

func (e *endless) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return e.Source.(sources.EventAppender).AppendEvent(dst, partition, records)
}

func (e *endless) Accept(ctx context.Context) (sources.Partition, error) {
	if e.left < 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := &endlessPartition{left: e.left}
	e.left = -1
	return p, nil
}

type endlessPartition struct {
	left  int
	acked int
}

func (*endlessPartition) ID() string { return "0" }

func (p *endlessPartition) Fetch(_ context.Context, buf []sources.Record, _ time.Duration) (int, error) {
	if p.left == 0 {
		return 0, sources.ErrEnd
	}
	n := min(len(buf), p.left)
	for i := range n {
		buf[i] = sources.Record{ID: "id", Key: "key", Size: 300}
	}
	p.left -= n
	return n, nil
}

func (p *endlessPartition) Ack(_ context.Context, records []sources.Record) error {
	p.acked += len(records)
	return nil
}

func (*endlessPartition) Close(context.Context) error { return nil }

func benchmark(b *testing.B, source sources.Source, end context.CancelFunc, ctx context.Context, handled *int, config esm.Config) { //nolint:revive // ctx and its end belong together
	b.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	total := b.N
	m, err := esm.New(source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		if *handled += len(records); *handled >= total {
			end()
		}
		return esm.Response{}, nil
	}), config)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := m.Run(ctx); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if *handled < total {
		b.Fatalf("handled %d of %d records", *handled, total)
	}
}

// BenchmarkEngine measures the engine alone, a record an operation, in batches
// of 100 and on the records path.
func BenchmarkEngine(b *testing.B) {
	for name, c := range map[string]struct {
		ordered, ahead bool
		config         esm.Config
	}{
		"unordered":               {false, false, esm.Config{BatchSize: 100, MaximumConcurrency: 1}},
		"ordered":                 {true, false, esm.Config{BatchSize: 100}},
		"ordered/filtered":        {true, false, esm.Config{BatchSize: 100, Filter: func(r *sources.Record) bool { return r.Size > 0 }}},
		"ordered/direct":          {true, true, esm.Config{BatchSize: 100}},
		"ordered/direct-filtered": {true, true, esm.Config{BatchSize: 100, Filter: func(r *sources.Record) bool { return r.Size > 0 }}},
		"ordered/sublanes":        {true, false, esm.Config{BatchSize: 100, ParallelizationFactor: 4}},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			handled := 0
			source := &endless{Source: memory.NewStream(memory.StreamOptions{}).Source("app"), ordered: c.ordered, ahead: c.ahead, left: b.N}
			benchmark(b, source, cancel, ctx, &handled, c.config)
		})
	}
}

// BenchmarkMemory measures engine and in-memory source, a record an operation.
func BenchmarkMemory(b *testing.B) {
	b.Run("queue", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		q := memory.NewQueue(memory.QueueOptions{})
		for range b.N {
			q.Send("body")
		}
		handled := 0
		benchmark(b, q.Source(), cancel, ctx, &handled, esm.Config{
			BatchSize: 100, MaximumBatchingWindow: time.Millisecond, MaximumConcurrency: 1,
		})
	})
	b.Run("stream", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		s := memory.NewStream(memory.StreamOptions{})
		for range b.N {
			s.Put("key", []byte("body"))
		}
		handled := 0
		benchmark(b, s.Source("app"), cancel, ctx, &handled, esm.Config{BatchSize: 100})
	})
}
