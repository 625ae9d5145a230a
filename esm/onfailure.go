package esm

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"
)

// checkLimit is how long the on-failure destination may take for its check.
const checkLimit = 10 * time.Second

// ErrDestinationUnusable from [Checker].Check: nothing can be delivered to the
// destination as it is configured, and trying again will not help. Run returns the
// error.
var ErrDestinationUnusable = errors.New("on-failure destination unusable")

// Checker is a [Destination] that can tell without a delivery whether it may be
// delivered to. All abilities of a destination are found through wrappers too, if these
// have the method Unwrap() Destination.
type Checker interface {
	// Check is called once, before the source is started. It writes nothing. An error
	// that wraps ErrDestinationUnusable ends the mapping: the target does not exist,
	// or the caller may not deliver to it, and the service said just that. A caller
	// that may deliver and may not look is no error. Any other error is logged, is a
	// problem of Mapping.Status until a delivery succeeds, and the mapping goes on: the destination may be back when it is needed. ctx ends
	// after ten seconds.
	Check(ctx context.Context) error
}

// destinationAbility returns d as a T: itself, or the first one it wraps that is a T.
func destinationAbility[T any](d Destination) (T, bool) {
	for !isNil(d) {
		if found, ok := d.(T); ok {
			return found, true
		}
		wrapper, ok := d.(interface{ Unwrap() Destination })
		if !ok {
			break
		}
		d = wrapper.Unwrap()
	}
	var none T
	return none, false
}

// hollow reports whether d is nil, or wraps a nil one.
func hollow(d Destination) bool {
	for !isNil(d) {
		wrapper, ok := d.(interface{ Unwrap() Destination })
		if !ok {
			return false
		}
		d = wrapper.Unwrap()
	}
	return true
}

// checkDestination has the on-failure destination checked, and returns the error that
// ends the mapping.
func (m *Mapping) checkDestination(soft context.Context) error {
	checker, ok := destinationAbility[Checker](m.config.OnFailure)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(soft, checkLimit)
	defer cancel()
	var unusable bool
	done := launch(func() (err error) {
		unusable, err = checked(ctx, checker)
		return err
	})
	returned, err := await(ctx, done)
	switch {
	case returned && unusable:
		return err
	case !returned:
		err = errAbandoned
	}
	if err != nil && soft.Err() == nil {
		m.observe(Observation{Metric: OnFailureDestinationDeliveryErrorCount, Count: 1, Err: err})
		m.config.Logger.Warn("the on-failure destination could not be checked", m.attr(), slog.Any("error", err))
	}
	return nil
}

// checked calls the destination and judges its error, both of which may panic.
func checked(ctx context.Context, checker Checker) (unusable bool, err error) {
	defer func() {
		if value := recover(); value != nil {
			unusable, err = false, &PanicError{Value: value, Stack: debug.Stack(), who: "on-failure destination"}
		}
	}()
	err = checker.Check(ctx)
	return errors.Is(err, ErrDestinationUnusable), err
}
