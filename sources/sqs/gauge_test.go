package sqs_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// gauge measures how many invocations run at once.
type gauge struct {
	now, most atomic.Int64
}

// around returns a handler that takes so long.
func (g *gauge) around(d time.Duration) handle {
	return func(context.Context, []sources.Record) (esm.Response, error) {
		n := g.now.Add(1)
		defer g.now.Add(-1)
		for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); {
			most = g.most.Load()
		}
		time.Sleep(d)
		return esm.Response{}, nil
	}
}

func (g *gauge) peak() int64 { return g.most.Load() }
