package esm_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// rude is an error whose methods panic.
type rude struct{ text *string }

func (r *rude) Error() string { return *r.text }

func (r *rude) Is(error) bool { return *r.text == "" }

func (r *rude) Unwrap() error { panic(r.text) }

// sly is an error that only errors.Is finds out.
type sly struct{}

func (sly) Error() string { return "sly" }

func (sly) Is(error) bool { panic("Is") }

// Whatever a handler returns or does, the batch fails, and the process lives on.
func TestOddErrorsFailTheBatch_P10(t *testing.T) {
	text := "an error"
	var path *fs.PathError
	var throttle *esm.ThrottleError
	for name, handle := range map[string]func() error{
		"typed nil":            func() error { return path },
		"nil throttle":         func() error { return throttle },
		"text panics":          func() error { return &rude{} },
		"unwrapping panics":    func() error { return &rude{&text} },
		"comparing panics":     func() error { return sly{} },
		"joined":               func() error { return errors.Join(errHandler, path) },
		"panics with an error": func() error { panic(error(path)) },
		"panics with nil":      func() error { panic(nil) },
		"ends its goroutine":   func() error { runtime.Goexit(); return nil },
	} {
		for strength, handler := range map[string]esm.Handler{
			"records": esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, handle() }),
			"bytes":   esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) { return nil, handle() })),
			"typed":   esm.Typed(func(context.Context, map[string]any) error { return handle() }),
		} {
			t.Run(name+"/"+strength, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
					q := queueOf(memory.QueueOptions{MaxReceiveCount: 2, DeadLetter: dlq}, "a")
					q.End()
					j := newJournal()
					mustRun(t, mustNew(t, q.Source(), handler, j.config(esm.Config{})))
					equal(t, "failed", j.count(esm.FailedInvokeEventCount)+j.count(esm.ThrottledEventCount) >= 2, true)
					equal(t, "dead letters", dlq.Len(), 1)
				})
			})
		}
	}
}

// A handler is late when its own goroutine is, not when the lane is: here the lane, held
// up by an observer, hears of a success after the time limit.
func TestLateIsWhenTheHandlerIs_SQS79(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const limit = time.Second
		for took, deleted := range map[time.Duration]bool{limit - time.Millisecond: true, limit: false, limit + time.Millisecond: false} {
			dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
			q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "a")
			q.End()
			j := newJournal()
			mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
				time.Sleep(took)
				return esm.Response{}, nil
			}), j.config(esm.Config{Timeout: limit})))
			equal(t, took.String(), q.Deleted() == 1, deleted)
		}
	})
}
