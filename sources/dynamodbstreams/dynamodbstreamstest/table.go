package dynamodbstreamstest

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// Setup is how a table and its stream are.
type Setup struct {
	// Keys are the names of the key attributes: the partition key, and the sort
	// key if there is one. The partition key "id" if there are none.
	Keys []string
	// View is what of an item comes into the stream; new and old images if it is
	// "".
	View types.StreamViewType
	// Shards is how many shards the stream begins with, at least 1.
	Shards int
	// FirstSequenceNumber is after which number, decimal and of 21 to 40 digits,
	// those of the stream begin; "" for the usual one. A number of nines soon makes
	// them one digit longer, so that only those who compare them as numbers get
	// their order right (DDB-12).
	FirstSequenceNumber string
}

// table is a table with its items.
type table struct {
	name   string
	keys   []string
	items  map[string]item // by key
	stream *stream         // that its changes come into; nil for none
}

// AddTable makes a table whose stream is enabled, and returns the stream's ARN.
func (s *Server) AddTable(name string, setup Setup) (arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Clone(setup.Keys)
	if len(keys) == 0 {
		keys = []string{"id"}
	}
	switch {
	case !legalTable(name):
		return "", invalid("A table's name has 3 to 255 letters, digits, hyphens, underscores and dots.")
	case len(keys) > 2 || slices.Contains(keys, ""):
		return "", invalid("A table has one or two key attributes, each with a name.")
	case s.tables[name] != nil:
		return "", modeled("ResourceInUseException", "Table already exists: "+name)
	}
	t := &table{name: name, keys: keys, items: make(map[string]item)}
	if t.stream, err = s.create(name, keys, setup, time.Now()); err != nil {
		return "", err
	}
	s.tables[name] = t
	return t.stream.arn, nil
}

// Disable disables the stream of a table: all its shards are closed, and can be
// read for 24 hours (DDB-09). Changes of items come into no stream then.
func (s *Server) Disable(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(name)
	if err != nil {
		return err
	}
	if t.stream == nil {
		return invalid("Table is not currently streaming")
	}
	t.stream.disable(types.StreamStatusDisabled, time.Now())
	t.stream = nil
	return nil
}

// Enable enables a table's stream again, which is a new one with an ARN of its own
// (DDB-10). Setup.Keys is not looked at.
func (s *Server) Enable(name string, setup Setup) (arn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(name)
	if err != nil {
		return "", err
	}
	if t.stream != nil {
		return "", invalid("Table already has an enabled stream: TableName: " + name)
	}
	if t.stream, err = s.create(name, t.keys, setup, time.Now()); err != nil {
		return "", err
	}
	return t.stream.arn, nil
}

// DeleteTable deletes a table. Its stream is disabled, and can be read for 24
// hours.
func (s *Server) DeleteTable(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(name)
	if err != nil {
		return err
	}
	if t.stream != nil {
		t.stream.disable(types.StreamStatusDisabled, time.Now())
	}
	delete(s.tables, name)
	return nil
}

// RemoveStream removes a stream, named by its ARN, at once, as happens 24 hours
// after it was disabled. Who reads it gets ResourceNotFoundException.
func (s *Server) RemoveStream(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(arn)
	if err != nil {
		return err
	}
	s.streams = slices.DeleteFunc(s.streams, func(other *stream) bool { return other == st })
	for _, t := range s.tables {
		if t.stream == st {
			t.stream = nil
		}
	}
	return nil
}

// SetStatus has a stream, named by its ARN or its table, tell another status, such
// as ENABLING or DISABLING. Nothing else changes.
func (s *Server) SetStatus(stream string, status types.StreamStatus) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err == nil {
		st.status = status
	}
	return err
}

// table returns a table by its name.
func (s *Server) table(name string) (*table, error) {
	s.age()
	if t, ok := s.tables[name]; ok {
		return t, nil
	}
	return nil, notFound("Requested resource not found: Table: " + name + " not found")
}

// legalTable says whether a table may have the name.
func legalTable(text string) bool { return legal(text, 3, 255) }

// legal says whether a text is so long, of letters, digits, '-', '_' and '.'.
func legal(text string, least, most int) bool {
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return least <= len(text) && len(text) <= most
}
