package access

import (
	"context"
	"sync"
	"time"
)

// token is what a provider gave.
type token struct {
	value string
	due   time.Time // when the next one is got; the past for a token that is not kept
}

// tokens keeps the last token of a source until it is due.
type tokens struct {
	fetch func(context.Context) (token, error)
	mutex chan struct{} // has room for whoever fetches

	mu   sync.Mutex
	last token
}

func newTokens(fetch func(context.Context) (token, error)) *tokens {
	return &tokens{fetch: fetch, mutex: make(chan struct{}, 1)}
}

// get returns a token that is not due.
func (t *tokens) get(ctx context.Context) (string, error) {
	if value, ok := t.kept(); ok {
		return value, nil
	}
	err := t.enter(ctx)
	if err != nil {
		return "", err
	}
	defer func() { <-t.mutex }()
	if value, ok := t.kept(); ok {
		return value, nil
	}
	fresh, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = fresh
	return fresh.value, nil
}

// enter waits until nobody else fetches, for as long as one fetch may take.
func (t *tokens) enter(ctx context.Context) error {
	ctx, cancel := limited(ctx, TypeOAuthBearer, tokenEndpoint)
	defer cancel()
	select {
	case t.mutex <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t *tokens) kept() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last.value, t.last.value != "" && time.Now().Before(t.last.due)
}

// forget drops a token that was refused.
func (t *tokens) forget(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.value == value {
		t.last = token{}
	}
}
