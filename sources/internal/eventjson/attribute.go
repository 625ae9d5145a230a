package eventjson

import (
	"slices"
	"sync"
)

// DynamoDBKind is the type of an attribute's value (DDB-88).
type DynamoDBKind uint8

// The types, named as in DynamoDB JSON.
const (
	// DynamoDBUnknown is any other type.
	DynamoDBUnknown DynamoDBKind = iota
	DynamoDBS
	DynamoDBN
	DynamoDBB
	DynamoDBBOOL
	DynamoDBNULL
	DynamoDBM
	DynamoDBL
	DynamoDBSS
	DynamoDBNS
	DynamoDBBS
)

// DynamoDBValue is the value of an attribute. V is the type that such values have
// where they come from.
type DynamoDBValue[V any] struct {
	Kind  DynamoDBKind
	Text  string       // of S and N
	Bytes []byte       // of B
	Bool  bool         // of BOOL
	Map   map[string]V // of M
	List  []V          // of L
	Texts []string     // of SS and NS
	Blobs [][]byte     // of BS
}

// What stands before a value of each kind. A value of a type that is not known is
// written as one of the type UNKNOWN: who decodes it fails, instead of missing it.
const (
	openS       = `{"S":`
	openN       = `{"N":`
	openB       = `{"B":`
	openTrue    = `{"BOOL":true}`
	openFalse   = `{"BOOL":false}`
	openNull    = `{"NULL":true}`
	openM       = `{"M":`
	openL       = `{"L":[`
	openSS      = `{"SS":[`
	openNS      = `{"NS":[`
	openBS      = `{"BS":[`
	openUnknown = `{"UNKNOWN":null}`
)

// appendMap appends attributes as one JSON object, in the order of their names: the
// same record is always the same document.
func appendMap[V any](dst []byte, attributes map[string]V, view func(V) DynamoDBValue[V]) []byte {
	var few [usualNames]string
	if len(attributes) <= usualNames {
		return appendSorted(dst, attributes, few[:0], view)
	}
	names := manyNames.Get().(*[]string) //nolint:forcetypeassert // nothing else is in there
	defer manyNames.Put(names)
	*names = slices.Grow((*names)[:0], len(attributes))
	dst = appendSorted(dst, attributes, *names, view)
	clear((*names)[:len(attributes)]) // so that the pool keeps no record
	return dst
}

// usualNames is how many attributes need no memory of the pool.
const usualNames = 24

// manyNames has slices for the names of items with more of them.
//
//nolint:gochecknoglobals // a pool is one for all
var manyNames = sync.Pool{New: func() any { return new([]string) }}

// appendSorted is appendMap with room for the names.
func appendSorted[V any](dst []byte, attributes map[string]V, names []string, view func(V) DynamoDBValue[V]) []byte {
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
		dst = appendValue(dst, attributes[name], view)
	}
	return append(dst, '}')
}

// appendValue appends a value as the JSON object that its type begins.
func appendValue[V any](dst []byte, value V, view func(V) DynamoDBValue[V]) []byte {
	switch v := view(value); v.Kind {
	case DynamoDBS:
		return append(AppendString(append(dst, openS...), v.Text), '}')
	case DynamoDBN:
		return append(AppendString(append(dst, openN...), v.Text), '}')
	case DynamoDBB:
		return append(AppendBase64(append(dst, openB...), v.Bytes), '}')
	case DynamoDBBOOL:
		if v.Bool {
			return append(dst, openTrue...)
		}
		return append(dst, openFalse...)
	case DynamoDBNULL:
		return append(dst, openNull...)
	case DynamoDBM:
		return append(appendMap(append(dst, openM...), v.Map, view), '}')
	case DynamoDBL:
		return append(appendList(append(dst, openL...), v.List, view), `]}`...)
	case DynamoDBSS:
		return append(appendTexts(append(dst, openSS...), v.Texts), `]}`...)
	case DynamoDBNS:
		return append(appendTexts(append(dst, openNS...), v.Texts), `]}`...)
	case DynamoDBBS:
		return append(appendBlobs(append(dst, openBS...), v.Blobs), `]}`...)
	default:
		return append(dst, openUnknown...)
	}
}

func appendList[V any](dst []byte, list []V, view func(V) DynamoDBValue[V]) []byte {
	for i, value := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, value, view)
	}
	return dst
}

func appendTexts(dst []byte, list []string) []byte {
	for i, text := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, text)
	}
	return dst
}

func appendBlobs(dst []byte, list [][]byte) []byte {
	for i, blob := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendBase64(dst, blob)
	}
	return dst
}

// mapSize returns how many bytes appendMap appends. Values of a type that is not
// known are counted in unknown.
func mapSize[V any](attributes map[string]V, view func(V) DynamoDBValue[V], unknown *int) int {
	size := len("{}") + commas(len(attributes))
	for name, value := range attributes {
		size += StringSize(name) + len(":") + valueSize(value, view, unknown)
	}
	return size
}

// valueSize returns how many bytes appendValue appends.
func valueSize[V any](value V, view func(V) DynamoDBValue[V], unknown *int) int {
	switch v := view(value); v.Kind {
	case DynamoDBS, DynamoDBN:
		return len(openS) + StringSize(v.Text) + len("}")
	case DynamoDBB:
		return len(openB) + Base64Size(len(v.Bytes)) + len("}")
	case DynamoDBBOOL:
		if v.Bool {
			return len(openTrue)
		}
		return len(openFalse)
	case DynamoDBNULL:
		return len(openNull)
	case DynamoDBM:
		return len(openM) + mapSize(v.Map, view, unknown) + len("}")
	case DynamoDBL:
		size := len(openL) + commas(len(v.List)) + len("]}")
		for _, one := range v.List {
			size += valueSize(one, view, unknown)
		}
		return size
	case DynamoDBSS, DynamoDBNS:
		size := len(openSS) + commas(len(v.Texts)) + len("]}")
		for _, text := range v.Texts {
			size += StringSize(text)
		}
		return size
	case DynamoDBBS:
		size := len(openBS) + commas(len(v.Blobs)) + len("]}")
		for _, blob := range v.Blobs {
			size += Base64Size(len(blob))
		}
		return size
	default:
		*unknown++
		return len(openUnknown)
	}
}

// commas is how many commas stand between so many.
func commas(n int) int { return max(n-1, 0) }
