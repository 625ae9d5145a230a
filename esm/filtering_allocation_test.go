//go:build !race

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

// flood is a source of records of one body, and then ends: what remains is the
// engine.
type flood struct {
	*endless
	record sources.Record
}

func newFlood(ordered bool, records int, body string) *flood {
	return &flood{
		endless: &endless{Source: memory.NewStream(memory.StreamOptions{}).Source("app"), ordered: ordered, left: records},
		record:  sources.Record{ID: "id", Key: "key", Size: 300, Data: []byte(body)},
	}
}

func (*flood) Filtering() sources.Filtering {
	return sources.Filtering{Key: "body", Text: true, Members: []sources.Member{{Name: "messageId", Kind: sources.Text}}, AppendMetadata: func(
		dst []byte, _ string, r *sources.Record, _ []sources.AskedMember,
	) []byte {
		return append(append(append(dst, `{"messageId":"`...), r.ID...), `"}`...)
	}}
}

func (f *flood) Accept(ctx context.Context) (sources.Partition, error) {
	if f.left < 0 {
		return nil, sources.ErrEnd
	}
	p, err := f.endless.Accept(ctx)
	return &floodPartition{p, f}, err
}

type floodPartition struct {
	sources.Partition
	flood *flood
}

func (p *floodPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range buf[:n] {
		buf[i] = p.flood.record
	}
	return n, err
}

// TestFilterAllocatesNothing runs mappings over many records, with and without
// filters. AllocsPerRun does not allow parallel tests, and under the race
// detector a sync.Pool forgets at random.
func TestFilterAllocatesNothing(t *testing.T) {
	const records = 50_000
	const body = `{"kind":"invoice","customer":"Möller \"& Co\"","total":1234.5,"lines":[{"sku":"a"},{"sku":"b"}]}`
	for _, ordered := range []bool{false, true} {
		run := func(config esm.Config, want int) float64 {
			handled := 0
			config.BatchSize, config.Logger = 100, slog.New(slog.DiscardHandler)
			return testing.AllocsPerRun(1, func() {
				handled = 0
				m := mustNew(t, newFlood(ordered, records, body), esm.Records(func(_ context.Context, batch []sources.Record) (esm.Response, error) {
					handled += len(batch)
					return esm.Response{}, nil
				}), config)
				mustRun(t, m)
				equal(t, "handled", handled, want)
			})
		}
		bare := run(esm.Config{}, records)
		for name, c := range map[string]struct {
			config esm.Config
			want   int
		}{
			"patterns pass":   {esm.Config{FilterCriteria: patterns(`{"body":{"total":[{"numeric":[">",1e3]}]},"messageId":["id"]}`)}, records},
			"patterns reject": {esm.Config{FilterCriteria: patterns(`{"body":{"total":[{"numeric":["<",1e3]}]},"messageId":["id"]}`, `{"messageId":["x"]}`)}, 0},
			"function passes": {esm.Config{Filter: func(r *sources.Record) bool { return len(r.Data) > 0 }}, records},
			"function rejects": {esm.Config{
				Filter: func(r *sources.Record) bool { return len(r.Data) == 0 }, FilterCriteria: patterns(`{"messageId":["id"]}`),
			}, 0},
		} {
			limit := bare
			if c.want == 0 {
				limit = 0 // no batch, no invocation
			}
			// Beside batches and pages there is what compiling takes.
			if got := run(c.config, c.want); got > limit+records/50 {
				t.Errorf("ordered %t: %s: %v allocations for %d records, %v without a filter", ordered, name, got, records, bare)
			}
		}
	}
}

// BenchmarkFilter measures the engine with patterns, a record an operation, in
// batches of 100 and on the records path.
func BenchmarkFilter(b *testing.B) {
	const body = `{"kind":"invoice","customer":"Möller","total":1234.5,"lines":[{"sku":"a"},{"sku":"b"}],"region":"eu-north-1"}`
	for name, config := range map[string]esm.Config{
		"none":     {},
		"function": {Filter: func(r *sources.Record) bool { return len(r.Data) > 0 }},
		"body":     {FilterCriteria: patterns(`{"body":{"kind":["invoice"],"total":[{"numeric":[">",1000]}]}}`)},
		"metadata": {FilterCriteria: patterns(`{"messageId":["id"]}`)},
	} {
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			handled := 0
			config.BatchSize = 100
			benchmark(b, newFlood(true, b.N, body), cancel, ctx, &handled, config)
		})
	}
}
