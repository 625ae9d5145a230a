package sourcetest

import (
	"context"
	"errors"
	"fmt"
)

// closePart closes a partition as an engine does, once.
func (r *reader) closePart(from *part) {
	if err := from.close(r.p); err != nil {
		r.p.brokenf("%v, from a source without faults", err)
	}
}

func (from *part) close(p *probe) error {
	if from.closed {
		return nil
	}
	from.closed = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.harness.Patience)
	defer cancel()
	if err := from.Close(ctx); err != nil {
		return fmt.Errorf("Partition.Close: %w", err)
	}
	return nil
}

// close closes partitions and source. It may be called again. An error counts
// only if nothing else was broken before.
func (r *reader) close() {
	if r.closed {
		return
	}
	r.closed = true
	var all error
	for _, from := range r.parts {
		all = errors.Join(all, from.close(r.p))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.p.ctx), r.p.harness.Patience)
	defer cancel()
	if err := r.source.Close(ctx); err != nil {
		all = errors.Join(all, fmt.Errorf("Source.Close: %w", err))
	}
	if all != nil && r.p.failure == "" {
		r.p.brokenf("%v, from a source without faults", all)
	}
}
