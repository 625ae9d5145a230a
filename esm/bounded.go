package esm

import (
	"context"
	"time"
)

// boundedGrace is how long after the end of its context a call may take to return.
const boundedGrace = time.Second

// bounded calls f, which has a context that ends with ctx, and returns its error. If f
// has not returned a second after the end of ctx it is left behind, and the error is
// errAbandoned.
func bounded(ctx context.Context, f func() error) error {
	returned, err := await(ctx, launch(f))
	if !returned {
		return errAbandoned
	}
	return err
}

// launch calls f in a goroutine of its own, and returns where its error will be.
func launch(f func() error) <-chan error {
	done := make(chan error, 1) // nobody may be listening any more
	go func() {
		err := errGoexit
		defer func() { done <- err }()
		err = f()
	}()
	return done
}

// await waits for an error until a second after the end of ctx, and reports whether it
// came.
func await(ctx context.Context, done <-chan error) (returned bool, err error) {
	select {
	case err = <-done:
		return true, err
	case <-ctx.Done():
	}
	grace := time.NewTimer(boundedGrace)
	defer grace.Stop()
	select {
	case err = <-done:
		return true, err
	case <-grace.C:
		return false, nil
	}
}
