package dynamodbstreamstest

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// item is the attributes of an item, by name.
type item = map[string]types.AttributeValue

// Change is where the record of a change went; zero if there is none, since
// nothing changed (DDB-07), or the table has no stream.
type Change struct {
	// Stream is the ARN of the stream, Shard the ID of the shard.
	Stream, Shard string
	// Number is the sequence number, and ID the event's.
	Number, ID string
}

// Put writes an item into a table, in place of the one that has its key. The item
// must not change any more. Numbers stay as they are written; those that are
// equal are one key.
func (s *Server) Put(table string, attributes map[string]types.AttributeValue) (Change, error) {
	return s.change(table, attributes, func(item) item { return attributes }, false)
}

// Update sets attributes of the item with a key, which comes to be if there is
// none; those that are nil are removed.
func (s *Server) Update(table string, key, set map[string]types.AttributeValue) (Change, error) {
	return s.change(table, key, func(old item) item {
		changed := maps.Clone(key)
		maps.Copy(changed, old)
		for name, value := range set {
			changed[name] = value
			if value == nil {
				delete(changed, name)
			}
		}
		return changed
	}, false)
}

// Delete deletes the item with a key, if there is one.
func (s *Server) Delete(table string, key map[string]types.AttributeValue) (Change, error) {
	return s.change(table, key, func(item) item { return nil }, false)
}

// Expire deletes the item with a key as its time to live does: the record tells who
// did it (DDB-91).
func (s *Server) Expire(table string, key map[string]types.AttributeValue) (Change, error) {
	return s.change(table, key, func(item) item { return nil }, true)
}

// change makes another item of one.
func (s *Server) change(name string, key item, become func(old item) item, expired bool) (Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(name)
	if err != nil {
		return Change{}, err
	}
	id, keys, err := identify(t.keys, key)
	if err != nil {
		return Change{}, err
	}
	old, existed := t.items[id]
	changed := become(old)
	raw, err := encode(keys, changed, old, expired)
	if err != nil || changed == nil && !existed || existed && bytes.Equal(raw.NewImage, raw.OldImage) {
		return Change{}, err
	}
	if changed == nil {
		delete(t.items, id)
	} else {
		t.items[id] = changed
	}
	if t.stream == nil {
		return Change{}, nil
	}
	if !s.exact {
		raw.Created = raw.Created.Truncate(time.Second)
	}
	sh := t.stream.route(hashOf(id))
	if sh == nil {
		return Change{}, invalid("No shard of the stream is open.")
	}
	return sh.append(raw), nil
}

// encode is the record of a change, with both images.
func encode(keys, changed, old item, expired bool) (Raw, error) {
	raw := Raw{Event: types.OperationTypeInsert, Created: time.Now(), Expired: expired}
	switch {
	case changed == nil:
		raw.Event = types.OperationTypeRemove
	case old != nil:
		raw.Event = types.OperationTypeModify
	}
	for _, image := range []struct {
		from item
		into *json.RawMessage
	}{{keys, &raw.Keys}, {changed, &raw.NewImage}, {old, &raw.OldImage}} {
		if image.from == nil {
			continue
		}
		text, err := marshal(image.from)
		if err != nil {
			return raw, err
		}
		*image.into = text
	}
	return raw, nil
}

// Raw is a record as it stands in a shard, whatever it says.
type Raw struct {
	// Event is what happened to the item, INSERT if it is "".
	Event types.OperationType
	// Keys, NewImage and OldImage are DynamoDB JSON, such as {"id":{"S":"a"}}. Those
	// that are nil are left out, as are the images that the stream's view type leaves
	// out.
	Keys, NewImage, OldImage json.RawMessage
	// Created is when the change was made, of which whole milliseconds are kept; zero
	// means now. The service itself tells whole seconds.
	Created time.Time
	// Expired says that the item's time to live ended.
	Expired bool
}

// Append puts a record into a shard of the stream, named by its ARN or its table,
// also into a closed one. The table's items do not change.
func (s *Server) Append(stream, shard string, raw Raw) (Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return Change{}, err
	}
	return sh.append(raw), nil
}

// append makes a record and puts it into the shard.
func (sh *shard) append(raw Raw) Change {
	st := sh.stream
	if view := st.view; view != types.StreamViewTypeNewAndOldImages {
		if view != types.StreamViewTypeNewImage {
			raw.NewImage = nil
		}
		if view != types.StreamViewTypeOldImage {
			raw.OldImage = nil
		}
	}
	if raw.Created.IsZero() {
		raw.Created = time.Now()
	}
	raw.Created = time.UnixMilli(raw.Created.UnixMilli())
	if raw.Event == "" {
		raw.Event = types.OperationTypeInsert
	}
	st.server.events++
	n := st.take()
	r := record{n: n, number: st.text(n), created: raw.Created, size: raw.size()}
	id := eventID(st.server.events)
	r.json = raw.append(nil, id, r.number, r.size, st.view)
	sh.accept(r, "")
	return Change{Stream: st.arn, Shard: sh.id, Number: r.number, ID: id}
}
