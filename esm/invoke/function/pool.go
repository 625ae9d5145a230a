package function

import (
	"bytes"
	"context"
	"sync"

	"github.com/aws/aws-lambda-go/lambda"
)

// pool has as many handler values as there were invocations at once at most, and
// gives each to one invocation at a time.
type pool struct {
	make   func() lambda.Handler
	values context.Context

	mu   sync.Mutex
	free []lambda.Handler
}

// Invoke copies the response before the handler value serves the next: it is a
// slice of a buffer that the value writes to again.
func (p *pool) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	handler := p.take()
	if isNil(handler) {
		return nil, errNoHandler
	}
	response, err := handler.Invoke(newContext(ctx, p.values), payload)
	body := bytes.Clone(response)
	p.put(handler) // not after a panic, nor one that is abandoned before it returns
	return body, honest(err)
}

// take returns the value that was used last, or a new one.
func (p *pool) take() lambda.Handler {
	p.mu.Lock()
	if last := len(p.free) - 1; last >= 0 {
		defer p.mu.Unlock()
		handler := p.free[last]
		p.free[last] = nil
		p.free = p.free[:last]
		return handler
	}
	p.mu.Unlock()
	return p.make()
}

func (p *pool) put(handler lambda.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, handler)
}
