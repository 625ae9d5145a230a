package esm

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
)

// guarded returns a copy whose Observer, Logger and Jitter never panic and whose
// Jitter stays in its range. panics is told of those of Observer and Jitter; that the
// Logger panicked can be told nobody.
func (c Config) guarded(panics *occasionally) Config {
	c.Observer = guardObserver(c.Observer, panics)
	c.Jitter = guardJitter(c.Jitter, panics)
	c.Logger = slog.New(guardedLog{c.Logger.Handler()})
	return c
}

func guardObserver(next Observer, panics *occasionally) Observer {
	return func(o Observation) {
		defer func() {
			if value := recover(); value != nil {
				panics.tell(&PanicError{Value: value, Stack: debug.Stack(), who: "observer"})
			}
		}()
		next(o)
	}
}

func guardJitter(next func() float64, panics *occasionally) func() float64 {
	return func() (share float64) {
		defer func() {
			if value := recover(); value != nil {
				panics.tell(&PanicError{Value: value, Stack: debug.Stack(), who: "jitter"})
				share = rand.Float64()
			}
		}()
		return clamp(next())
	}
}

// clamp is the number nearest to share from 0 up to but not including 1.
func clamp(share float64) float64 {
	switch {
	case share >= 1:
		return math.Nextafter(1, 0)
	case share > 0:
		return share
	default: // NaN too
		return 0
	}
}

// guardedLog is a log handler whose panics end here: its own, and those of the values
// that it is to write.
type guardedLog struct{ next slog.Handler }

// Enabled implements [slog.Handler].
func (l guardedLog) Enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() {
		if recover() != nil {
			enabled = false
		}
	}()
	return l.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (l guardedLog) Handle(ctx context.Context, r slog.Record) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("log handler panicked: %v", value)
		}
	}()
	return l.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (l guardedLog) WithAttrs(attrs []slog.Attr) (with slog.Handler) {
	defer func() {
		if recover() != nil {
			with = l
		}
	}()
	return guardedLog{l.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (l guardedLog) WithGroup(name string) (with slog.Handler) {
	defer func() {
		if recover() != nil {
			with = l
		}
	}()
	return guardedLog{l.next.WithGroup(name)}
}

// isNil reports whether v is nil, or an interface around a nil pointer or function:
// the first call of that would panic.
func isNil(v any) bool {
	switch value := reflect.ValueOf(v); value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return value.IsNil()
	default:
		return false
	}
}

// describeNil is the text of a value for which isNil holds.
func describeNil(v any) string {
	if v == nil {
		return "nil"
	}
	return fmt.Sprintf("a nil %T", v)
}
