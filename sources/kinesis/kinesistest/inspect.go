package kinesistest

import "time"

// Shard is a shard as a test sees it.
type Shard struct {
	// ID is the shard's ID.
	ID string
	// Parents are the IDs of the shards that it came from: none, one after a
	// split, two after a merge.
	Parents []string
	// From and To are the first and the last of its hash keys.
	From, To string
	// First and Last are the starting and the ending sequence number. An open
	// shard has no last one.
	First, Last string
	// Closed says that it was split or merged.
	Closed bool
	// Records is how many records it has, Put how many it ever got.
	Records, Put int
	// Subscribers is how many subscriptions read it.
	Subscribers int
}

// Shards returns the shards of the stream, named by name or ARN, that are
// listed. A stream that does not exist has none.
func (s *Server) Shards(stream string) []Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return nil
	}
	list := make([]Shard, len(st.shards))
	for i, sh := range st.shards {
		list[i] = Shard{
			ID: sh.id, From: sh.keys.text[0], To: sh.keys.text[1], First: st.numbers.text(sh.first),
			Closed: sh.isClosed(), Records: len(sh.records), Put: sh.put, Subscribers: len(sh.subs),
		}
		if sh.isClosed() {
			list[i].Last = st.numbers.text(sh.last)
		}
		for _, parent := range sh.parents {
			list[i].Parents = append(list[i].Parents, parent.id)
		}
	}
	return list
}

// Records returns the records that a shard of the stream, named by name or
// ARN, has, oldest first. The data is not copied and must not be changed.
func (s *Server) Records(stream, shard string) []Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return nil
	}
	list := make([]Record, len(sh.records))
	for i, r := range sh.records {
		list[i] = Record{Key: r.key, Data: r.data, Arrival: time.UnixMilli(r.arrival), Shard: sh.id, Number: r.number}
	}
	return list
}

// find returns a shard of a stream. The mutex is held.
func (s *Server) find(stream, shard string) (*shard, error) {
	st, err := s.lookup(stream)
	if err != nil {
		return nil, err
	}
	return st.shard(shard)
}

// Trim drops the records of a shard that are older than the one with the given
// sequence number, as their retention's end does; "" drops all of them. Who
// asks for a dropped record gets the oldest one kept (KIN-45). Nothing is
// dropped by itself.
func (s *Server) Trim(stream, shard, before string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return err
	}
	n := sh.stream.next
	if before != "" {
		if n, err = (place{kind: "Trim", number: &before}).numbered(sh); err != nil {
			return err
		}
	}
	sh.trim(n)
	return nil
}

// Expire drops all records of a closed shard, and takes it off the list, as
// happens once the last of them is too old (KIN-64). Who reads it from then on
// gets ResourceNotFoundException (KIN-74).
func (s *Server) Expire(stream, shard string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return err
	}
	if !sh.isClosed() {
		return invalidArgument("Shard " + shard + " is open; only closed shards expire.")
	}
	sh.expire()
	return nil
}

// SetRetention sets the retention period that the stream tells, in hours. Records do
// not go by it: see [Server.Trim].
func (s *Server) SetRetention(stream string, hours int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return err
	}
	st.retention = hours
	return nil
}
