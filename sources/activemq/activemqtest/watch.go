package activemqtest

import (
	"context"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/activemq"
)

// Call is something that a client asks of the broker.
type Call struct {
	// Do is Attach, Settle or Close.
	Do string
	// Container names the connection.
	Container string
	// Messages and Outcome are those of Settle.
	Messages []*amqp.Message
	Outcome  activemq.Outcome
}

// Event is something that the broker did.
type Event struct {
	What  What
	Queue string
	// Message as it was sent.
	Message *amqp.Message
	// Container names the connection that it was done over, "" for none.
	Container string
}

// What a broker does with a message.
type What int

const (
	// Delivered to a link.
	Delivered What = iota
	// Settled: it is done with.
	Settled
	// Returned to its queue.
	Returned
	// Buried is rejected or expired: a dead letter, or gone.
	Buried
)

// Gate lets calls through, one at a time, and says when the broker does something by
// itself.
type Gate interface {
	// Pass does a call, and returns its error, or one of its own.
	Pass(ctx context.Context, c Call, do func() error) error
	// After has run done after some time, 0 for as soon as may be. name is the
	// container of the connection that it is about.
	After(d time.Duration, name string, run func())
}

// SetGate has all calls pass a gate. It is to be called before the first.
func (b *Broker) SetGate(gate Gate) { b.gate = gate }

// SetFault has calls fail for which fault returns an error; nil for none. They have no
// effect then.
func (b *Broker) SetFault(fault func(Call) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

// SetWatch has watch told what the broker does. It is called with the broker locked, and
// must not call it.
func (b *Broker) SetWatch(watch func(Event)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watch = watch
}

// call does what a client asks for.
func (b *Broker) call(ctx context.Context, c Call, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	silent := b.silent
	b.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	locked := func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.fault != nil {
			if err := b.fault(c); err != nil {
				return err
			}
		}
		return do()
	}
	if b.gate == nil {
		return locked()
	}
	return b.gate.Pass(ctx, c, locked)
}

// later has a message arrive: at once, or when the gate says so. The caller holds mu.
func (b *Broker) later(l *link, e *entry) {
	if b.gate == nil {
		l.arrive(e)
		return
	}
	b.gate.After(0, l.container, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		l.arrive(e)
	})
}

func (b *Broker) tell(e Event) {
	if b.watch != nil {
		b.watch(e)
	}
}
