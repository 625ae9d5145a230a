//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// A loss that a lane has not told of when it ends is told all the same: by Accept, or if that
// is called no more by the mapping's observer (KAF-37).
func TestLossOfLaneThatEndsIsToldInBubbles(t *testing.T) {
	t.Parallel()
	for name, vary := range variants {
		if name == "latest" {
			continue
		}
		for _, stopped := range []bool{false, true} {
			if stopped {
				name += " stopped"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { lossOfLaneThatEnds(t, vary, stopped) })
			})
		}
	}
}

func lossOfLaneThatEnds(t *testing.T, vary func(*kafka.Options), stopped bool) {
	t.Helper()
	w := newVirtualWorld(t, 1)
	w.send(0, 0, 20)
	w.commit(0, 3)
	if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
		t.Fatal(err)
	}
	options := w.plain()
	vary(&options)
	source, err := kafka.New(options)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 100)
	if err := source.Start(t.Context(), sources.Settings{Report: func(err error) { told <- err }}); err != nil {
		t.Fatal(err)
	}
	lane, err := source.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // the loss is known
	if err := lane.Close(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for !stopped {
		_, err := source.Accept(ctx)
		if ctx.Err() != nil {
			break
		}
		told <- err
	}
	if err := source.Close(t.Context()); err != nil {
		t.Error(err)
	}
	close(told)
	var losses []kafka.LossError
	for err := range told {
		if loss, is := errors.AsType[*kafka.LossError](err); is {
			losses = append(losses, *loss)
		}
	}
	if want := (kafka.LossError{Partition: "orders-0", From: 3, Count: 5}); len(losses) != 1 || losses[0] != want {
		t.Errorf("told %v, want %v once", losses, want)
	}
}
