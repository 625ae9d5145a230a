package esm

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// decode reads an event document. What is wrong with it is told without any value of
// it.
func decode[E any](payload []byte) (E, error) {
	var event E
	if err := json.Unmarshal(payload, &event); err != nil {
		return event, &decodeError{into: reflect.TypeFor[E]().String(), err: err}
	}
	return event, nil
}

// decodeError is an event document that does not suit a type. The texts of package
// json and of the types' own methods may repeat the value that they stumbled over;
// Unwrap leads to them.
type decodeError struct {
	into string
	err  error
}

func (e *decodeError) Error() string {
	text := "decode event into " + e.into + ": "
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ") // a number's value follows
		member := ""
		if wrong.Field != "" {
			member = " of member " + wrong.Field
		}
		return fmt.Sprintf("%sa JSON %s does not suit type %v%s", text, kind, wrong.Type, member)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](e.err); ok {
		return fmt.Sprintf("%sno JSON at byte %d", text, wrong.Offset)
	}
	return fmt.Sprintf("%sa value does not suit its type (%T)", text, e.err)
}

func (e *decodeError) Unwrap() error { return e.err }
