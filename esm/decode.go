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
		return event, &decodeError{into: reflect.TypeFor[E](), err: err}
	}
	return event, nil
}

// decodeError is an event document that does not suit a type. The texts of package
// json and of the types' own methods may repeat the value that they stumbled over;
// Unwrap leads to them.
type decodeError struct {
	into reflect.Type
	err  error
}

func (e *decodeError) Error() string {
	text := "decode event into " + e.into.String() + ": "
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](e.err); ok {
		kind, _, _ := strings.Cut(wrong.Value, " ") // a number's value follows
		member := ""
		if names := memberNames(e.into, strings.Split(wrong.Field, ".")); len(names) > 0 {
			member = " of member " + strings.Join(names, ".")
		}
		return fmt.Sprintf("%sa JSON %s does not suit type %v%s", text, kind, wrong.Type, member)
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](e.err); ok {
		return fmt.Sprintf("%sno JSON at byte %d", text, wrong.Offset)
	}
	return fmt.Sprintf("%sa value does not suit its type (%T)", text, e.err)
}

func (e *decodeError) Unwrap() error { return e.err }

// memberNames is the part of a path in a document of type t that the type knows: package
// json names members by the document's own text, which from Go 1.27 on has keys of maps
// in it. Those are data; places in a list are left out.
func memberNames(t reflect.Type, path []string) (names []string) {
	for len(path) > 0 {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Slice, reflect.Array:
			t = t.Elem()
			if strings.Trim(path[0], "0123456789") == "" {
				path = path[1:]
			}
		case reflect.Struct:
			name, field := memberOf(t, path[0])
			if name == "" {
				return names
			}
			names, t, path = append(names, name), field, path[1:]
		default:
			return names
		}
	}
	return names
}

// memberOf is the name and the type of a struct's member that a document names; none if
// it has no such.
func memberOf(t reflect.Type, named string) (string, reflect.Type) {
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if strings.EqualFold(name, named) {
			return name, field.Type
		}
	}
	return "", nil
}
