package function

import (
	"context"
	"fmt"
	"reflect"
)

// flaw says what keeps f from being a function that lambda.Start takes; "" if
// nothing. aws-lambda-go finds out by itself, but tells it at each invocation.
func flaw(f any) string {
	v := reflect.ValueOf(f)
	switch {
	case v.Kind() != reflect.Func:
		return "is no function"
	case v.IsNil():
		return "is nil"
	case v.Type().IsVariadic():
		return "is variadic" // it would panic at each invocation
	}
	if why := flawOfArguments(v.Type()); why != "" {
		return why
	}
	return flawOfResults(v.Type())
}

func flawOfArguments(t reflect.Type) string {
	switch n := t.NumIn(); {
	case n > 2:
		return fmt.Sprintf("takes %d arguments", n)
	case n == 2 && !isContext(t.In(0)):
		return fmt.Sprintf("takes two arguments, of which the first, %s, is not context.Context", t.In(0))
	case n == 1 && t.In(0).Kind() == reflect.Interface && t.In(0).NumMethod() > 0 && !isContext(t.In(0)):
		return fmt.Sprintf("takes an interface, %s, that no event decodes into", t.In(0))
	default:
		return ""
	}
}

func flawOfResults(t reflect.Type) string {
	n := t.NumOut()
	switch {
	case n > 2:
		return fmt.Sprintf("returns %d values", n)
	case n > 0 && !t.Out(n-1).Implements(reflect.TypeFor[error]()):
		return fmt.Sprintf("returns a %s last, which is no error", t.Out(n-1))
	default:
		return ""
	}
}

// isContext reports whether t is context.Context, or an interface with its methods.
func isContext(t reflect.Type) bool {
	c := reflect.TypeFor[context.Context]()
	return t.Kind() == reflect.Interface && c.Implements(t) && t.Implements(c)
}
