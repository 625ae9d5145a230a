package function

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/openesm/openesm/esm"
)

// Options of a function. The zero value is that of lambda.Start.
type Options struct {
	// Context lends its values to the context of every invocation, as those of
	// lambda.WithContext and lambda.WithContextValue do. Its end ends nothing: an
	// invocation ends with Config.Timeout and with the mapping. nil for none.
	Context context.Context //nolint:containedctx // as of an http.Server's BaseContext

	// UseNumber decodes numbers as lambda.WithUseNumber does.
	UseNumber bool

	// DisallowUnknownFields is that of lambda.WithDisallowUnknownFields.
	DisallowUnknownFields bool
}

// New makes a handler of f, which is one of
//
//   - a function of any signature that lambda.Start takes. Lanes call it
//     concurrently.
//   - a func() lambda.Handler. It is called for each handler value that is needed,
//     as Lambda starts an execution environment: once now, and again whenever all
//     that there are serve an invocation, by several lanes at once. Each serves one
//     at a time.
//   - a lambda.Handler of a type of your own. Lanes call it concurrently, and it must
//     not write to a response that it has returned. One that is not made for that,
//     since Lambda asks for no more than one invocation at a time, is given as a
//     func() lambda.Handler.
//
// Anything else is refused, and so is what lambda.NewHandler returns, by New or,
// where it is wrapped, by esm.New: such a value serves one invocation at a time, and
// the function inside cannot be had. Give the function itself.
func New(f any, options Options) (esm.Handler, error) {
	switch h := f.(type) {
	case lambda.Handler:
		return ofHandler(h, options)
	case func() lambda.Handler:
		return ofMaker(h, options)
	}
	if why := flaw(f); why != "" {
		return esm.Handler{}, refused(f, why, signatures)
	}
	var opts []lambda.Option
	if options.UseNumber {
		opts = append(opts, lambda.WithUseNumber(true))
	}
	if options.DisallowUnknownFields {
		opts = append(opts, lambda.WithDisallowUnknownFields(true))
	}
	each := func() lambda.Handler { return lambda.NewHandlerWithOptions(f, opts...) }
	return esm.Bytes(&pool{make: each, values: options.Context}), nil
}

func ofHandler(h lambda.Handler, options Options) (esm.Handler, error) {
	switch {
	case reflect.TypeOf(h) == reflect.TypeOf(lambda.NewHandler(nil)):
		return esm.Handler{}, refused(h, "serves one invocation at a time",
			"the function that lambda.NewHandler was given, or a func() lambda.Handler")
	case isNil(h):
		return esm.Handler{}, refused(h, "is nil", signatures)
	case options.decodes():
		return esm.Handler{}, refused(h, decodesItself, onlyContext)
	}
	return esm.Bytes(&shared{h, options.Context}), nil
}

func ofMaker(each func() lambda.Handler, options Options) (esm.Handler, error) {
	if each == nil {
		return esm.Handler{}, refused(each, "is nil", signatures)
	}
	if options.decodes() {
		return esm.Handler{}, refused(each, decodesItself, onlyContext)
	}
	first := each()
	if isNil(first) {
		return esm.Handler{}, refused(each, "returned nil", "a handler value")
	}
	return esm.Bytes(&pool{make: each, values: options.Context, free: []lambda.Handler{first}}), nil
}

const (
	decodesItself = "decodes its events itself"
	onlyContext   = "no UseNumber and no DisallowUnknownFields"
)

// decodes reports whether options say how events are decoded.
func (o Options) decodes() bool { return o.UseNumber || o.DisallowUnknownFields }

// signatures are the valid ones; what is in brackets may be missing.
const signatures = "func([context.Context,] [TIn]) [([TOut,] error)], a func() lambda.Handler or a lambda.Handler"

func refused(f any, why, want string) error {
	return fmt.Errorf("function: %T %s; want %s", f, why, want)
}

// shared is a handler of a type of the user's own.
type shared struct {
	handler lambda.Handler  // where esm.New looks for one of aws-lambda-go
	values  context.Context //nolint:containedctx // Options.Context
}

// Invoke hands over what the handler returns, which is not shared by its contract.
func (s *shared) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	response, err := s.handler.Invoke(newContext(ctx, s.values), payload)
	return response, honest(err)
}

var errNoHandler = errors.New("function: the func() lambda.Handler returned nil")

// honest returns err so that it can be looked at: a nil pointer as an error, which
// fails the batch as on Lambda, has methods that panic.
func honest(err error) error {
	if err != nil && isNil(err) {
		return fmt.Errorf("function returned a nil %T as its error", err)
	}
	return err
}

// isNil reports whether v is nil, or holds a nil of its own type.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
