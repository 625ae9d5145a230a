package memory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

var errOfTable = errors.New("the stream is that of a table; change an item of that")

// ViewType is what the stream of a [Table] tells of a changed item (DDB-08).
type ViewType string

// The view types.
const (
	KeysOnly        ViewType = "KEYS_ONLY"
	NewImage        ViewType = "NEW_IMAGE"
	OldImage        ViewType = "OLD_IMAGE"
	NewAndOldImages ViewType = "NEW_AND_OLD_IMAGES"
)

// TableOptions says what kind of [Table] to make.
type TableOptions struct {
	// Name of the table. Default "table".
	Name string

	// Key is the names of the key attributes: the partition key, and the sort key if
	// there is one. Default "id".
	Key []string

	// View is what the stream tells of a change. Default NewAndOldImages.
	View ViewType

	// Partitions is how many shards the stream begins with. Default 1, also for
	// values below 1.
	Partitions int
}

// Item is the attributes of an item by name. Values are text, numbers of any Go type
// and json.Number, bool, []byte, nil, []any, []string and map[string]any or Item, and the
// sets [StringSet], [NumberSet] and [BinarySet].
type Item = map[string]any

// Sets of attribute values.
type (
	// StringSet is a set of text.
	StringSet []string
	// NumberSet is a set of decimal numbers.
	NumberSet []string
	// BinarySet is a set of bytes.
	BinarySet [][]byte
)

// Change is a change of an item.
type Change struct {
	// Name is what happened: INSERT, MODIFY or REMOVE.
	Name string
	// Keys, New and Old are the item's key and its images, as the view type allows.
	// They must not be modified.
	Keys, New, Old Item
	// Expired says that the item's time to live ended.
	Expired bool
}

// Table is an in-memory table, each change of which is a record in its stream, as of
// DynamoDB with DynamoDB Streams. Make one with [NewTable].
//
//	orders := memory.NewTable(memory.TableOptions{Name: "orders", Key: []string{"orderId"}})
//	orders.Put(memory.Item{"orderId": "o-1", "total": 12.5})
//	orders.Delete(memory.Item{"orderId": "o-1"})
//	orders.Stream().End()
//	mapping, err := esm.New(orders.Stream().Source("worker"), handler, esm.Config{})
type Table struct {
	stream *Stream
	kind   *changes
	keys   []string
	view   ViewType

	// Of Stream.mu:
	items map[string]Item // by key
	made  uint64          // changes so far
}

// NewTable returns an empty table.
func NewTable(options TableOptions) *Table {
	if options.Name == "" {
		options.Name = "table"
	}
	if len(options.Key) == 0 {
		options.Key = []string{"id"}
	}
	if options.View == "" {
		options.View = NewAndOldImages
	}
	label := time.Now().UTC().Format("2006-01-02T15:04:05.000") // DDB-11
	arn := "arn:aws:dynamodb:" + region + ":" + account + ":table/" + options.Name + "/stream/" + label
	kind := &changes{eventjson.NewDynamoDB(arn, viewOf)}
	return &Table{
		stream: newStream(arn, kind, options.Partitions), kind: kind, keys: slices.Clone(options.Key), view: options.View,
		items: make(map[string]Item),
	}
}

// Stream returns the table's stream, which has its sources, ends and splits.
func (t *Table) Stream() *Stream { return t.stream }

// Put writes an item in place of the one that has its key, and returns the sequence
// number of the change; "" if it changes nothing (DDB-07). The item must not be
// modified any more.
func (t *Table) Put(item Item) (string, error) {
	return t.change(item, func(Item) Item { return item }, false)
}

// Update sets attributes of the item with a key, which comes to be if there is none.
func (t *Table) Update(key, set Item) (string, error) {
	return t.change(key, func(old Item) Item {
		changed := maps.Clone(key)
		maps.Copy(changed, old)
		maps.Copy(changed, set)
		return changed
	}, false)
}

// Delete deletes the item with a key, if there is one.
func (t *Table) Delete(key Item) (string, error) {
	return t.change(key, func(Item) Item { return nil }, false)
}

// Expire deletes the item with a key as its time to live does: the record tells who
// did it (DDB-91).
func (t *Table) Expire(key Item) (string, error) {
	return t.change(key, func(Item) Item { return nil }, true)
}

// Item returns the item with a key; nil if there is none. It must not be modified.
func (t *Table) Item(key Item) Item {
	id, _, err := t.identify(key)
	if err != nil {
		return nil
	}
	t.stream.mu.Lock()
	defer t.stream.mu.Unlock()
	return t.items[id]
}

// Len returns how many items there are.
func (t *Table) Len() int {
	t.stream.mu.Lock()
	defer t.stream.mu.Unlock()
	return len(t.items)
}

// change makes another item of the one with a key, nil for none.
func (t *Table) change(key Item, become func(old Item) Item, expired bool) (string, error) {
	id, keys, err := t.identify(key)
	if err != nil {
		return "", err
	}
	t.stream.mu.Lock()
	defer t.stream.mu.Unlock()
	old, existed := t.items[id]
	made := &Change{Name: "INSERT", Keys: keys, New: become(old), Old: old, Expired: expired}
	event, err := made.event()
	if err != nil {
		return "", err
	}
	switch {
	case made.New == nil && !existed, existed && t.kind.same(event.NewImage, event.OldImage):
		return "", nil
	case made.New == nil:
		made.Name = "REMOVE"
		delete(t.items, id)
	case existed:
		made.Name = "MODIFY"
	}
	if made.New != nil {
		t.items[id] = made.New
	}
	if t.view != NewAndOldImages && t.view != NewImage {
		made.New, event.NewImage = nil, nil
	}
	if t.view != NewAndOldImages && t.view != OldImage {
		made.Old, event.OldImage = nil, nil
	}
	t.made++
	event.EventID, event.StreamViewType = fmt.Sprintf("%032x", t.made), string(t.view)
	return t.stream.putChange(t.kind, id, made, event), nil
}

// event has the attributes of a change.
func (c *Change) event() (*eventjson.DynamoDBRecord[attribute], error) {
	var event eventjson.DynamoDBRecord[attribute]
	for _, image := range []struct {
		from Item
		to   *map[string]attribute
	}{{c.Keys, &event.Keys}, {c.New, &event.NewImage}, {c.Old, &event.OldImage}} {
		values, err := attributesOf(image.from)
		if err != nil {
			return nil, err
		}
		*image.to = values
	}
	return &event, nil
}

// identify returns the key of an item as a text, and its key attributes.
func (t *Table) identify(item Item) (id string, keys Item, err error) {
	keys = make(Item, len(t.keys))
	for _, name := range t.keys {
		value, ok := item[name]
		if !ok {
			return "", nil, fmt.Errorf("memory: table: the item has no attribute %s, which is of the key", name)
		}
		keys[name] = value
	}
	values, err := attributesOf(keys)
	if err != nil {
		return "", nil, err
	}
	for name, value := range values {
		if k := value.Kind; k != eventjson.DynamoDBS && k != eventjson.DynamoDBN && k != eventjson.DynamoDBB {
			return "", nil, fmt.Errorf("memory: table: attribute %s is of the key, but neither text, number nor bytes", name)
		}
	}
	return string(t.kind.encoder.AppendKey(nil, values)), keys, nil
}

var _ streamKind = (*changes)(nil)

// ofTable says that the stream's records are changes of items.
func (s *Stream) ofTable() bool {
	_, ok := s.kind.(*changes)
	return ok
}

// changes is the kind of streams that are as those of DynamoDB Streams.
type changes struct {
	encoder *eventjson.DynamoDB[attribute]
}

// traits are those of Kinesis but for the name (DDB-61).
func (*changes) traits() sources.Traits {
	traits := kinesis{}.traits()
	traits.EventSource = tableEventSource
	return traits
}

const tableEventSource = "aws:dynamodb"
