package simulation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/openesm/openesm/esm"
)

var errHandler = errors.New("simulation: the handler failed")

// mute is an error that nobody can ask anything.
type mute struct{}

func (mute) Error() string { panic("simulation: the handler's error panics") }

func (mute) Unwrap() error { panic("simulation: the handler's error panics") }

// answer is what the handler returns.
func (l *Life) answer(ctx context.Context, i *invocation) ([]string, error) {
	if ctx.Err() != nil && !i.ignoresContext() {
		return nil, ctx.Err()
	}
	switch i.plan.behavior { //nolint:exhaustive // the others succeed
	case behaviorError:
		return nil, errHandler
	case behaviorPanic:
		panic("simulation: the handler panics")
	case behaviorPanicNil:
		panic(nil)
	case behaviorGoexit:
		runtime.Goexit()
	case behaviorThrottle:
		return nil, fmt.Errorf("handler: %w", &esm.ThrottleError{})
	case behaviorRetryAfter:
		return nil, &esm.ThrottleError{RetryAfter: i.plan.wait}
	case behaviorTypedNil:
		return nil, (*fs.PathError)(nil)
	case behaviorNoThrottle:
		return nil, (*esm.ThrottleError)(nil)
	case behaviorMute:
		return nil, mute{}
	case behaviorPartial:
		return i.failures(), nil
	case behaviorMalformed:
		return i.malformed(), nil
	}
	return nil, nil
}

// failures names the records that a partial failure names.
func (i *invocation) failures() []string {
	var ids []string
	for _, it := range i.items {
		if i.plan.failed[it.Number] {
			ids = append(ids, it.ID)
		}
	}
	return ids
}

// malformed names what is not right.
func (i *invocation) malformed() []string {
	switch i.plan.text {
	case "stranger":
		return []string{i.items[0].ID, "stranger"}
	case "empty":
		return []string{""}
	case "junk":
		return []string{"junk"}
	default:
		return nil
	}
}
