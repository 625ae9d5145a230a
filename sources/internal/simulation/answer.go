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
	if ctx.Err() != nil && !i.heedless() {
		return nil, ctx.Err()
	}
	switch i.plan.mood { //nolint:exhaustive // the others succeed
	case moodError:
		return nil, errHandler
	case moodPanic:
		panic("simulation: the handler panics")
	case moodPanicNil:
		panic(nil)
	case moodGoexit:
		runtime.Goexit()
	case moodThrottle:
		return nil, fmt.Errorf("handler: %w", &esm.ThrottleError{})
	case moodRetryAfter:
		return nil, &esm.ThrottleError{RetryAfter: i.plan.wait}
	case moodTypedNil:
		return nil, (*fs.PathError)(nil)
	case moodNoThrottle:
		return nil, (*esm.ThrottleError)(nil)
	case moodMute:
		return nil, mute{}
	case moodPartial:
		return i.failures(), nil
	case moodMalformed:
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
