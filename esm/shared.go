package esm

import "reflect"

// lambdaPackage is the package whose handler values serve one invocation at a time.
const lambdaPackage = "github.com/aws/aws-lambda-go/lambda"

// nested is how deep values that wrap each other are looked into.
const nested = 16

// checkShared refuses a handler value of aws-lambda-go, alone or wrapped. Its Invoke
// returns a slice of a buffer that another invocation of the same value may be
// writing to already, so lanes that share it get each other's responses. The engine
// imports nothing of AWS and knows the type by its package.
func (h Handler) checkShared(to *checker) {
	if h.bytes == nil {
		return
	}
	to.require(!isLambda(reflect.ValueOf(h.bytes), nested), "handler", reflect.TypeOf(h.bytes),
		"must not be, or wrap, a handler value of aws-lambda-go, whose responses mix up if lanes share it: "+
			"give the function itself to New of package esm/invoke/function")
}

// isLambda looks for a handler value of aws-lambda-go: v itself, or a field of it
// that is an [Invoker].
func isLambda(v reflect.Value, depth int) bool {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v = v.Elem(); depth == 0 {
			return false
		}
		depth--
	}
	switch {
	case !v.IsValid(): // nil
		return false
	case v.Type().PkgPath() == lambdaPackage:
		return true
	case v.Kind() != reflect.Struct:
		return false
	}
	invoker := reflect.TypeFor[Invoker]()
	for _, field := range v.Fields() {
		if implements(field.Type(), invoker) && isLambda(field, depth) {
			return true
		}
	}
	return false
}

// implements reports whether values of t, or their addresses, are of an interface.
func implements(t, of reflect.Type) bool {
	return t.Implements(of) || reflect.PointerTo(t).Implements(of)
}
