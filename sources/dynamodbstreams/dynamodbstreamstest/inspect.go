package dynamodbstreamstest

import "slices"

// Shard is a shard as a test sees it.
type Shard struct {
	// ID is the shard's ID, and Parent that of the one it came from, "" for none.
	ID, Parent string
	// First and Last are the starting and the ending sequence number. An open
	// shard has no last one.
	First, Last string
	// Closed says that no record comes into it any more.
	Closed bool
	// Records is how many records it has, Put how many it ever got.
	Records, Put int
}

// Streams returns the ARNs of the streams of a table that there are, oldest first.
func (s *Server) Streams(table string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age()
	var list []string
	for _, st := range s.streams {
		if st.table == table {
			list = append(list, st.arn)
		}
	}
	return list
}

// Shards returns the shards of the stream, named by its ARN or its table, by ID,
// those too that are hidden. A stream that does not exist has none.
func (s *Server) Shards(stream string) []Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age()
	st, err := s.lookup(stream)
	if err != nil {
		return nil
	}
	list := make([]Shard, len(st.shards))
	for i, sh := range st.shards {
		list[i] = Shard{
			ID: sh.id, First: st.text(sh.first), Closed: sh.isClosed(), Records: len(sh.records), Put: sh.put,
		}
		if sh.isClosed() {
			list[i].Last = st.text(sh.last)
		}
		if sh.parent != nil {
			list[i].Parent = sh.parent.id
		}
	}
	return list
}

// Numbers returns the sequence numbers of the records that a shard of the stream,
// named by its ARN or its table, has, oldest first.
func (s *Server) Numbers(stream, shard string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return nil
	}
	list := make([]string, len(sh.records))
	for i := range sh.records {
		list[i] = sh.records[i].number
	}
	return list
}

// find returns a shard of a stream, hidden or not. The mutex is held.
func (s *Server) find(stream, shard string) (*shard, error) {
	s.age()
	st, err := s.lookup(stream)
	if err != nil {
		return nil, err
	}
	i, ok := slices.BinarySearchFunc(st.shards, shard, byID)
	if !ok {
		return st.shard(shard) // which tells that there is none
	}
	return st.shards[i], nil
}
