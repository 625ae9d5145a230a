package esm_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// refusing is a queue that does not keep some records longer.
type refusing struct {
	sources.Partition
	refuses func(body string) bool
	extends *atomic.Int64
}

func (p *refusing) Unwrap() sources.Partition { return p.Partition }

func (p *refusing) Extend(ctx context.Context, records []sources.Record) error {
	p.extends.Add(1)
	var err error
	for i := range records {
		if body := string(records[i].Data); p.refuses(body[len(body)-1:]) {
			err = errors.New("InternalError")
			continue
		}
		err = errors.Join(err, p.Partition.(sources.Extender).Extend(ctx, records[i:i+1]))
	}
	return err
}

type refusingSource struct {
	sources.Source
	partition refusing
}

func (s *refusingSource) Unwrap() sources.Source { return s.Source }

func (s *refusingSource) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	refusing := s.partition
	refusing.Partition = p
	return &refusing, nil
}

// A record of a group that cannot be kept until it fits into a batch is given back, and
// what is held of its group behind it is too: it is handled in order.
func TestWhatCannotBeKeptStaysInOrder_P4(t *testing.T) {
	for _, refused := range []string{"3", "4", "6", "9", "none"} {
		t.Run(refused, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const limit = 30 * time.Second
				q := memory.NewQueue(memory.QueueOptions{FIFO: true, VisibilityTimeout: limit})
				for i := range 10 {
					q.Send(strings.Repeat("x", 3<<19) + strconv.Itoa(i)) // three a document
				}
				q.End()
				j := newJournal()
				var extends atomic.Int64
				source := &refusingSource{q.Source(), refusing{refuses: func(body string) bool { return body == refused }, extends: &extends}}
				mustRun(t, mustNew(t, source, j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
					for i := range records {
						if left := time.Until(records[i].Expires); left < limit {
							t.Errorf("started with %v left", left)
						}
					}
					time.Sleep(25 * time.Second)
					return esm.Response{}, nil
				}), j.config(esm.Config{MaximumConcurrency: 2, Timeout: limit})))
				var order []string
				for _, body := range j.seen() {
					order = append(order, body[len(body)-1:])
				}
				equal(t, "order", order, numbers(10))
				if n := extends.Load(); n == 0 || n > 30 {
					t.Errorf("%d extensions", n)
				}
			})
		})
	}
}

// Handlers that return soon have nothing extended.
func TestQuickHandlersExtendNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 15 * time.Minute})
		for range 10 {
			q.Send(strings.Repeat("x", 3<<19))
		}
		q.End()
		j := newJournal()
		var extends atomic.Int64
		source := &refusingSource{q.Source(), refusing{refuses: func(string) bool { return false }, extends: &extends}}
		mustRun(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumConcurrency: 1, Timeout: 15 * time.Minute})))
		equal(t, "batches", slices.Max(j.sizes()), 3)
		equal(t, "extensions", extends.Load(), int64(0))
	})
}
