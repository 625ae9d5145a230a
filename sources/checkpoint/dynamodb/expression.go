package dynamodb

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

// expression collects the names and values of a request's expressions. All names
// go by placeholders, so that none is a reserved word.
type expression struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

func newExpression() *expression {
	return &expression{names: make(map[string]string), values: make(map[string]types.AttributeValue)}
}

// name returns the placeholder of an attribute's name.
func (e *expression) name(attribute string) string {
	placeholder := "#" + attribute
	e.names[placeholder] = attribute
	return placeholder
}

// is compares an attribute with a value, or sets it to one.
func (e *expression) is(attribute, placeholder string, value types.AttributeValue) string {
	e.values[placeholder] = value
	return e.name(attribute) + " = " + placeholder
}

// missing is the condition that there is no such attribute: no such item, if it
// is the key.
func (e *expression) missing(attribute string) string {
	return "attribute_not_exists(" + e.name(attribute) + ")"
}

// matches is the condition that the stored lease has last's Owner and Counter.
func (e *expression) matches(last *checkpoint.Lease) string {
	counter := e.is(leaseCounter, ":lastCounter", number(last.Counter))
	if last.Owner == "" {
		return counter + " AND " + e.missing(leaseOwner)
	}
	return counter + " AND " + e.is(leaseOwner, ":lastOwner", text(last.Owner))
}

// replace is the update of last to next, whose attributes are in list.
func (e *expression) replace(last, next *checkpoint.Lease, list []attribute) string {
	var set, remove []string
	for _, a := range list {
		if a.value == nil {
			remove = append(remove, e.name(a.name))
		} else {
			set = append(set, e.is(a.name, ":"+a.name, a.value))
		}
	}
	add := ""
	switch {
	case !last.Position.Equal(next.Position): // KCL counts from one checkpoint to the next
		set = append(set, e.is(ownerSwitches, ":switches", number(0)))
		for _, suffix := range []string{"", "SubSequenceNumber", "State"} {
			remove = append(remove, e.name(pendingPrefix+suffix))
		}
	case last.Owner != "" && next.Owner != "" && last.Owner != next.Owner:
		e.values[":switches"] = number(1)
		add = " ADD " + e.name(ownerSwitches) + " :switches"
	}
	update := "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		update += " REMOVE " + strings.Join(remove, ", ")
	}
	return update + add
}
