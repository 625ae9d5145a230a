package wiretest

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
)

// CloseUnder closes a fake once wait is over, twice and at the same time, while
// users use it until their context is done, which is after the fake is closed.
// All of them must come back.
func CloseUnder(t *testing.T, fake io.Closer, wait func(), users ...func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var using, closing sync.WaitGroup
	for _, use := range users {
		using.Go(func() { use(ctx) })
	}
	wait()
	for range 2 {
		closing.Go(func() {
			if err := fake.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	closing.Wait()
	cancel()
	using.Wait()
}

// GivenUp tells whether a call failed because its context is done.
func GivenUp(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
