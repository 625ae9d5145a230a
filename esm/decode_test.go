package esm_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/memory"
)

// event is one of Kinesis whose keys are of some type.
type event[T any] struct {
	Records []struct{ Kinesis struct{ PartitionKey T } }
}

// picky is a type whose method repeats what it does not take.
type picky struct{}

func (*picky) UnmarshalJSON(text []byte) error { return errors.New("odd: " + string(text)) }

// TestDecodeErrorsRepeatNoValue_P13 decodes documents of secrets.
func TestDecodeErrorsRepeatNoValue_P13(t *testing.T) {
	bubble(t, func(t *testing.T) {
		decode[struct{ Records []int }](t, "a JSON object does not suit type int of member Records")
		decode[event[int]](t, "a JSON string does not suit type int of member Records.Kinesis.PartitionKey")
		decode[event[time.Time]](t, "a value does not suit its type (*time.ParseError)")
		decode[event[json.Number]](t, "a value does not suit its type (*", "a JSON string does not suit type json.Number")
		decode[event[picky]](t, "a value does not suit its type (*errors.errorString)")
	})
}

// decode has events decoded into an E, which fails: with one of the texts, for Go 1.27
// knows more of some errors.
func decode[E any](t *testing.T, wants ...string) {
	t.Helper()
	const secret = "hush-hush"
	for name, handler := range map[string]esm.Handler{
		"Typed":         esm.Typed(func(context.Context, E) error { return nil }),
		"TypedResponse": esm.TypedResponse(func(context.Context, E) (any, error) { return nil, nil }),
	} {
		s := memory.NewStream(memory.StreamOptions{})
		s.Put(secret, nil)
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), handler, j.config(esm.Config{MaximumRetryAttempts: new(0)})))
		if len(j.errs[esm.InvokeErrorCount]) == 0 {
			t.Fatalf("%s: no error", name)
		}
		for _, err := range j.errs[esm.InvokeErrorCount] {
			text := err.Error()
			told := slices.ContainsFunc(wants, func(want string) bool { return strings.Contains(text, want) })
			if strings.Contains(text, secret) || !told || errors.Unwrap(err) == nil {
				t.Errorf("%s: error %q", name, text)
			}
		}
	}
}
