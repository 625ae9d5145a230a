package esm

import (
	"reflect"
	"sync"

	"github.com/openesm/openesm/sources"
)

// claims holds the sources that mappings of this process are reading. It is the one
// piece of state of the package: two mappings that share a source know nothing else of
// each other, and the source is the user's.
var claims sync.Map

// claim takes source for one mapping, and returns how to let go of it; nil if another
// mapping has it. What counts is the source inside of all wrappers that have an Unwrap
// method. Only pointers are told apart: two equal values need not be one source.
func claim(source sources.Source) (release func()) {
	inner := innermost(source)
	of := reflect.TypeOf(inner)
	if of.Kind() != reflect.Pointer || of.Elem().Size() == 0 {
		return func() {}
	}
	if _, taken := claims.LoadOrStore(inner, struct{}{}); taken {
		return nil
	}
	return func() { claims.Delete(inner) }
}

// innermost unwraps source.
func innermost(source sources.Source) sources.Source {
	for {
		wrapper, ok := source.(interface{ Unwrap() sources.Source })
		if !ok {
			return source
		}
		inner := wrapper.Unwrap()
		if inner == nil {
			return source
		}
		source = inner
	}
}
