package wiretest

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// WantCode holds an error of the SDK to its code.
func WantCode(t *testing.T, err error, code string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code {
		t.Errorf("got error %v, want code %s", err, code)
	}
}

// WantType holds an error to its type in the SDK.
func WantType[E error](t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		var want E
		t.Errorf("got error %v, want %T", err, want)
	}
}

// Took returns how long do takes.
func Took(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}
