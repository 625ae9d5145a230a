package dynamodbstreams

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources/internal/shard"
)

// describeInterval is the time between two DescribeStream calls of a source: half of the
// ten a second that there are for all who ask (DDB-22).
const describeInterval = 200 * time.Millisecond

// pace spaces calls. The first few need not wait.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next call is due
}

// burst is how many calls may be made at once after a pause.
const burst = 5

// wait returns when it is time for a call.
func (p *pace) wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-burst * describeInterval); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(describeInterval)
	at := p.next
	p.mu.Unlock()
	if !shard.Sleep(ctx, at.Sub(now)) {
		return ctx.Err()
	}
	return nil
}
