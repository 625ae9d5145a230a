package awscall_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/awscall"
)

type (
	question struct{}
	reply    struct{}
	option   func()
)

var errBroken = errors.New("connection reset")

// silent is a call that is never answered.
func silent(ctx context.Context, _ *question, _ ...option) (*reply, error) {
	<-ctx.Done()
	return nil, &smithy.OperationError{ServiceID: "Kinesis", OperationName: "ListShards", Err: ctx.Err()}
}

func TestDo_P11(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for patience, want := range map[time.Duration]string{
			time.Hour:       "kinesis: ListShards on stream telemetry: not answered within 20s",
			3 * time.Second: "kinesis: ListShards on stream telemetry: not answered within 3s",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, err := awscall.Do(ctx, awscall.Limit, silent, new(question))
			cancel()
			wrapped := &awscall.Error{Service: "kinesis", Operation: "ListShards", Target: "stream telemetry", Err: err}
			if wrapped.Error() != want || !errors.Is(wrapped, context.DeadlineExceeded) {
				t.Errorf("error %q, want %q, of a deadline", wrapped, want)
			}
			if _, ok := errors.AsType[*smithy.OperationError](wrapped); !ok {
				t.Error("the SDK's error is not found")
			}
		}
	})
}

// TestDoTakesNothingElseForADeadline has calls end otherwise.
func TestDoTakesNothingElseForADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		denied := &smithy.GenericAPIError{Code: "AccessDeniedException"}
		stopped, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		for name, test := range map[string]struct {
			ctx  context.Context //nolint:containedctx // of the case
			call func(context.Context, *question, ...option) (*reply, error)
			want error
		}{
			"broken": {t.Context(), func(context.Context, *question, ...option) (*reply, error) { return nil, errBroken }, errBroken},
			"refused at the last moment": {t.Context(), func(ctx context.Context, _ *question, _ ...option) (*reply, error) {
				<-ctx.Done()
				return nil, denied
			}, denied},
			"stopped": {stopped, silent, context.Canceled},
		} {
			_, err := awscall.Do(test.ctx, awscall.Limit, test.call, new(question))
			if late, ok := errors.AsType[*awscall.LateError](err); ok || !errors.Is(err, test.want) {
				t.Errorf("%s: error %v, want %v; late: %v", name, err, test.want, late)
			}
		}
		out, err := awscall.Do(t.Context(), awscall.Limit, func(context.Context, *question, ...option) (*reply, error) {
			return new(reply), nil
		}, new(question))
		if out == nil || err != nil {
			t.Errorf("answered: got %v, %v", out, err)
		}
	})
}
