package kafka_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// protocols are the two ways in which a group is kept together.
var protocols = map[string]func(*kafka.Options){
	"Classic":    func(*kafka.Options) {},
	"ServerSide": func(o *kafka.Options) { o.ServerSideAssignment = true },
}

func eachProtocol(t *testing.T, test func(t *testing.T, vary func(*kafka.Options))) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, protocols[name])
		})
	}
}

// gate stops handlers until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{entered: make(chan struct{}, 1000), open: make(chan struct{})} }

func (g *gate) pass(ctx context.Context) error {
	g.entered <- struct{}{}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hold is pass as a handler.
func (g *gate) hold(ctx context.Context, _ []sources.Record) (esm.Response, error) {
	return esm.Response{}, g.pass(ctx)
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// await waits until a handler has come to the gate.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.entered:
	case <-time.After(patience): // real time: the limit of a test of a real broker
		t.Fatal("no handler came")
	}
}

var unwindowed = esm.Config{MaximumBatchingWindow: esm.NoBatchingWindow, BatchSize: 10}

var errRefused = errors.New("refused")

// quick has failed batches tried again at once.
func quick(config esm.Config) esm.Config {
	config.RetryBackoff.Initial, config.RetryBackoff.Max = time.Millisecond, time.Millisecond
	return config
}
