package dynamodbstreamstest

import "time"

// Roll closes a shard of the stream, named by its ARN or its table, for one child
// that has all its items from then on, as happens every few hours (DDB-02), and
// returns the child's ID.
func (s *Server) Roll(stream, shard string) (child string, err error) {
	children, err := s.become(stream, shard, 1)
	if err != nil {
		return "", err
	}
	return children[0], nil
}

// Split closes a shard of the stream for two children, as happens under load, and
// returns their IDs.
func (s *Server) Split(stream, shard string) (children []string, err error) {
	return s.become(stream, shard, 2)
}

// become closes a shard for so many children.
func (s *Server) become(stream, shard string, n int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return nil, err
	}
	if sh.isClosed() {
		return nil, invalid("Shard " + shard + " is not open.")
	}
	now := time.Now()
	sh.shut(now)
	ids := make([]string, n)
	for i, hashes := range sh.hashes.divide(n) {
		ids[i] = sh.stream.add(hashes, sh, now).id
	}
	return ids, nil
}

// SetChildDelay has children that come to be later on in the stream, named by its
// ARN or its table, hidden for so long: they have records, but nobody finds them
// (DDB-28).
func (s *Server) SetChildDelay(stream string, delay time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err == nil {
		st.delay = delay
	}
	return err
}

// SetUnordered has shards listed by the end of their IDs, which is as good as in no
// order: children may come before their parents.
func (s *Server) SetUnordered(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unordered = on
}

// Trim drops the records of a shard of the stream, named by its ARN or its table,
// that are older than the one with the given sequence number, as happens when they
// are 24 hours old; "" drops all of them. Who asks for a dropped record gets a
// TrimmedDataAccessException (DDB-24).
func (s *Server) Trim(stream, shard, before string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return err
	}
	n, ok := sh.stream.next, true
	if before != "" {
		n, ok = sh.stream.parse(before)
	}
	if !ok {
		return invalid("Sequence number " + before + " is none of the stream.")
	}
	sh.trim(n)
	return nil
}

// Vanish drops all records of a closed shard, and takes it off the list, as happens
// once it has been closed for 24 hours. Who reads it from then on gets
// ResourceNotFoundException (DDB-26).
func (s *Server) Vanish(stream, shard string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := s.find(stream, shard)
	if err != nil {
		return err
	}
	if !sh.isClosed() {
		return invalid("Shard " + shard + " is open; only closed shards vanish.")
	}
	sh.vanish()
	return nil
}
