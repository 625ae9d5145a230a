package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// MaxPatternLength is the longest pattern, in characters (FILT-02).
const MaxPatternLength = 4096

// element is a value in the text of a pattern: an object has members, an array
// has elements, anything else a scalar: a string, json.Number, bool or nil.
type element struct {
	kind     json.Delim // '{', '[' or 0
	members  []member
	elements []element
	scalar   any
}

// member is a member of an object, which may have several of one name.
type member struct {
	name  string
	value element
}

// parsePattern reads the text of a pattern. What it means is not its affair.
func parsePattern(text string) (element, error) {
	switch {
	case text == "":
		return element{}, errors.New("is empty")
	case !utf8.ValidString(text):
		return element{}, errors.New("is not UTF-8")
	case utf8.RuneCountInString(text) > MaxPatternLength:
		return element{}, errors.New("is longer than 4096 characters")
	case !json.Valid([]byte(text)):
		return element{}, errors.New("is not JSON")
	}
	d := json.NewDecoder(bytes.NewBufferString(text))
	d.UseNumber() // keeps what is written, so that errors can show it
	e, err := parseElement(d)
	if err == nil && e.kind != '{' {
		err = errors.New("is not a JSON object")
	}
	return e, err
}

func parseElement(d *json.Decoder) (element, error) {
	token, err := d.Token()
	if err != nil {
		return element{}, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return element{scalar: token}, nil
	}
	e := element{kind: delim}
	for d.More() {
		var m member
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return element{}, err
			}
			m.name, _ = name.(string)
		}
		if m.value, err = parseElement(d); err != nil {
			return element{}, err
		}
		if delim == '{' {
			e.members = append(e.members, m)
		} else {
			e.elements = append(e.elements, m.value)
		}
	}
	_, err = d.Token() // the closing one
	return e, err
}

// lastMembers are the members that count: of several with one name the last
// (FILT-07), where it stands.
func (e *element) lastMembers() []member {
	last := make(map[string]int, len(e.members))
	for i := range e.members {
		last[e.members[i].name] = i
	}
	kept := make([]member, 0, len(last))
	for i := range e.members {
		if last[e.members[i].name] == i {
			kept = append(kept, e.members[i])
		}
	}
	return kept
}
