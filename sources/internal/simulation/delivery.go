package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/esm"
)

// errDeaf says that a delivery hangs.
var errDeaf = errors.New("simulation: the destination hears nothing")

// deliver is the destination.
func (l *Life) deliver(ctx context.Context, f *esm.FailureRecord) error {
	numbers := make([]int, len(f.Records))
	for i := range f.Records {
		numbers[i] = Number(f.Records[i].Data)
	}
	now := time.Now()
	label := fmt.Sprint("deliver ", numbers)
	err := l.wait(ctx, label, latency, func(c *call) {
		l.deliveries = append(l.deliveries, ctx)
		l.sim.observer.offered(numbers, now)
		if l.sim.Chance(FaultDeaf) {
			l.finish(c, errDeaf)
			return
		}
		l.try(c, OpDeliver, func() error {
			l.sim.observer.delivered(l, numbers, string(f.Condition))
			return nil
		})
	})
	if errors.Is(err, errDeaf) {
		l.block(label)
	}
	return err
}

// block waits until the faults have ended, whatever ends meanwhile.
func (l *Life) block(label string) {
	at := func(*rand.Rand) time.Duration { return 0 }
	_ = l.rest("deaf "+label, at, func(c *call) {
		if l.sim.calmed {
			l.finish(c, nil)
		} else {
			l.sim.deaf = append(l.sim.deaf, func() { l.finish(c, nil) })
		}
	})
}

// checkCut holds the return of Run against P11: it says so if it cut off a delivery.
func (o *Observer) checkCut(l *Life) {
	if !demanded(troubleDestination) || errors.Is(l.err, esm.ErrDrainTimeout) {
		return
	}
	for _, ctx := range l.deliveries {
		if errors.Is(context.Cause(ctx), esm.ErrDrainTimeout) {
			o.violate(11, "Run returned %v, though it cut a delivery off", l.err)
		}
	}
}
