package dynamodbtest

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
)

// maxItem is the most bytes that an item may have.
const maxItem = 400 << 10

// value is an attribute's value as it goes over the wire: one member, named for
// its type.
type value map[string]any

type item map[string]value

// check holds a value to the rules of the service, and sorts sets.
func (v value) check() error {
	if len(v) != 1 {
		return validation("Supplied AttributeValue must contain exactly one of the supported datatypes")
	}
	if n, ok := v["N"]; ok {
		text, ok := n.(string)
		if !ok || !regexp.MustCompile(`^-?\d{1,38}$`).MatchString(text) {
			return validation("The fake knows no such number")
		}
	}
	if set, ok := v["SS"]; ok {
		return v.checkSet(set)
	}
	return nil
}

func (v value) checkSet(set any) error {
	if _, stored := set.([]string); stored {
		return nil
	}
	members, _ := set.([]any)
	if len(members) == 0 {
		return validation("One or more parameter values were invalid: An string set  may not be empty")
	}
	list := make([]string, len(members))
	for i, member := range members {
		list[i], _ = member.(string)
	}
	slices.Sort(list)
	if len(slices.Compact(slices.Clone(list))) != len(list) {
		return validation("One or more parameter values were invalid: Input collection contains duplicates.")
	}
	v["SS"] = list
	return nil
}

// equal reports whether both have the same type and value.
func (v value) equal(other value) bool {
	a, err := json.Marshal(v)
	if err != nil {
		return false
	}
	b, err := json.Marshal(other)
	return err == nil && string(a) == string(b)
}

// size is about what the item counts in bytes.
func (i item) size() int {
	size := 0
	for name, v := range i {
		size += len(name)
		for kind, content := range v {
			switch c := content.(type) {
			case string:
				if kind == "B" {
					size += len(c) / 4 * 3
				} else {
					size += len(c)
				}
			case []string:
				for _, member := range c {
					size += len(member)
				}
			default:
				size++
			}
		}
	}
	return size
}

// keyOf returns the key that an item, or a key, has.
func (t *table) keyOf(i item) (string, error) {
	v, ok := i[t.key]
	key, isText := v[t.keyType].(string)
	if !ok || !isText {
		return "", validation("One or more parameter values were invalid: Missing the key " + t.key + " in the item")
	}
	if key == "" {
		return "", validation("One or more parameter values are not valid. The AttributeValue for a key attribute " +
			"cannot contain an empty string value. Key: " + t.key)
	}
	return key, nil
}

// put stores an item that is legal.
func (t *table) put(key string, i item) error {
	for _, v := range i {
		if err := v.check(); err != nil {
			return err
		}
	}
	if i.size() > maxItem {
		return validation("Item size has exceeded the maximum allowed size")
	}
	t.items[key] = i
	return nil
}

// conditional is the part of requests that have a condition.
type conditional struct {
	onTable

	ConditionExpression       string            `json:"ConditionExpression"`
	ExpressionAttributeNames  map[string]string `json:"ExpressionAttributeNames"`
	ExpressionAttributeValues map[string]value  `json:"ExpressionAttributeValues"`
}

// begin returns the request's table and key, and the parser of its expressions.
func (r *conditional) begin(s *Server, of item) (*table, string, *parser, error) {
	t, err := s.open(r.TableName)
	if err != nil {
		return nil, "", nil, err
	}
	key, err := t.keyOf(of)
	if err != nil {
		return nil, "", nil, err
	}
	for _, v := range r.ExpressionAttributeValues {
		if err := v.check(); err != nil {
			return nil, "", nil, err
		}
	}
	return t, key, newParser(r.ExpressionAttributeNames, r.ExpressionAttributeValues), nil
}

type putItem struct {
	conditional

	Item item `json:"Item"`
}

func (r *putItem) run(s *Server) (any, error) {
	t, key, p, err := r.begin(s, r.Item)
	if err != nil {
		return nil, err
	}
	holds, err := p.condition(r.ConditionExpression, t.items[key])
	if err == nil {
		err = p.finish()
	}
	switch {
	case err != nil:
		return nil, err
	case !holds:
		return nil, conditionFailed()
	}
	return struct{}{}, t.put(key, r.Item)
}

type updateItem struct {
	conditional

	Key              item   `json:"Key"`
	UpdateExpression string `json:"UpdateExpression"`
}

func (r *updateItem) run(s *Server) (any, error) {
	t, key, p, err := r.begin(s, r.Key)
	if err != nil {
		return nil, err
	}
	holds, err := p.condition(r.ConditionExpression, t.items[key])
	if err != nil {
		return nil, err
	}
	next := maps.Clone(t.items[key])
	if next == nil {
		next = maps.Clone(r.Key)
	}
	if err := p.update(r.UpdateExpression, next, t.key); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	if !holds {
		return nil, conditionFailed()
	}
	return struct{}{}, t.put(key, next)
}

type deleteItem struct {
	conditional

	Key item `json:"Key"`
}

func (r *deleteItem) run(s *Server) (any, error) {
	t, key, p, err := r.begin(s, r.Key)
	if err != nil {
		return nil, err
	}
	holds, err := p.condition(r.ConditionExpression, t.items[key])
	if err == nil {
		err = p.finish()
	}
	switch {
	case err != nil:
		return nil, err
	case !holds:
		return nil, conditionFailed()
	}
	delete(t.items, key)
	return struct{}{}, nil
}
