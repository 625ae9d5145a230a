package kinesistest

import (
	"slices"
	"time"
)

type splitShard struct {
	onStream

	Shard string `json:"ShardToSplit"`
	Key   string `json:"NewStartingHashKey"`
}

func (r *splitShard) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Shard = r.Shard
}

func (r *splitShard) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	key, ok := parseHash(r.Key)
	if !ok {
		return nil, invalidArgument("NewStartingHashKey is not a decimal number of 128 bits.")
	}
	_, err = st.split(r.Shard, func(hashRange) hashKey { return key }, time.Now())
	return []byte("{}"), err
}

type mergeShards struct {
	onStream

	Shard    string `json:"ShardToMerge"`
	Adjacent string `json:"AdjacentShardToMerge"`
}

func (r *mergeShards) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Shard = r.Shard
}

func (r *mergeShards) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	_, err = st.merge(r.Shard, r.Adjacent, time.Now())
	return []byte("{}"), err
}

// openShard returns the open shard with an ID.
func (st *stream) openShard(id string) (*shard, error) {
	sh, err := st.shard(id)
	if err == nil && sh.isClosed() {
		err = invalidArgument("Shard " + id + " in stream " + st.name.stream + " is not open.")
	}
	return sh, err
}

// split closes a shard for two children, of which the second one begins where
// it is told (KIN-65).
func (st *stream) split(id string, at func(hashRange) hashKey, now time.Time) ([]*shard, error) {
	sh, err := st.openShard(id)
	if err != nil {
		return nil, err
	}
	key := at(sh.keys)
	if key.compare(sh.keys.from) <= 0 || key.compare(sh.keys.to) > 0 {
		return nil, invalidArgument("NewStartingHashKey " + key.String() + " does not split shard " + id +
			", whose hash keys are " + sh.keys.text[0] + " to " + sh.keys.text[1] + ".")
	}
	sh.shut(now)
	st.become(
		st.add(newRange(sh.keys.from, key.before()), now, sh),
		st.add(newRange(key, sh.keys.to), now, sh),
	)
	sh.stir()
	return sh.children, nil
}

// merge closes two shards for one child.
func (st *stream) merge(id, adjacent string, now time.Time) (*shard, error) {
	one, err := st.openShard(id)
	if err != nil {
		return nil, err
	}
	other, err := st.openShard(adjacent)
	if err != nil {
		return nil, err
	}
	low, high := one, other
	if low.keys.from.compare(high.keys.from) > 0 {
		low, high = high, low
	}
	if low == high || low.keys.to.after() != high.keys.from {
		return nil, invalidArgument("Shards " + id + " and " + adjacent + " in stream " + st.name.stream + " are not adjacent.")
	}
	one.shut(now)
	other.shut(now)
	child := st.add(newRange(low.keys.from, high.keys.to), now, one, other)
	st.become(child)
	one.stir()
	other.stir()
	return child, nil
}

// become opens shards.
func (st *stream) become(shards ...*shard) {
	st.open = append(st.open, shards...)
	slices.SortFunc(st.open, func(a, b *shard) int { return a.keys.from.compare(b.keys.from) })
}

// Split splits a shard of the stream, named by name or ARN, in the middle of
// its hash range, and returns the IDs of its children.
func (s *Server) Split(stream, shard string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return nil, err
	}
	children, err := st.split(shard, hashRange.middle, time.Now())
	if err != nil {
		return nil, err
	}
	return []string{children[0].id, children[1].id}, nil
}

// Merge merges two adjacent shards of the stream, named by name or ARN, and
// returns the ID of their child.
func (s *Server) Merge(stream, shard, adjacent string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return "", err
	}
	child, err := st.merge(shard, adjacent, time.Now())
	if err != nil {
		return "", err
	}
	return child.id, nil
}
