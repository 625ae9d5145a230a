package kinesistest

import "time"

const (
	maxGet   = 10_000   // records of a GetRecords (KIN-23)
	maxBytes = 10 << 20 // of a GetRecords (KIN-23)
)

type getRecords struct {
	Iterator string `json:"ShardIterator"`
	Limit    *int   `json:"Limit"`
	ARN      string `json:"StreamARN"`
}

func (r *getRecords) describe(s *Server, c *Call) {
	c.Limit = given(r.Limit, 0)
	if sh, _, err := s.open(r.Iterator); err == nil {
		c.Stream, c.Shard = sh.stream.name.stream, sh.id
	}
}

// run reads the records with the mutex held, and writes the answer without: a
// record never changes.
func (r *getRecords) run(x exchange) ([]byte, error) {
	now := time.Now()
	a, err := r.read(x, now)
	if err != nil {
		return nil, err
	}
	return a.append(room(a.size())), nil
}

// batch is the answer to a GetRecords.
type batch struct {
	chunk

	iterator iterator
	children []child
}

func (r *getRecords) read(call exchange, now time.Time) (batch, error) {
	s := call.server
	limit := given(r.Limit, maxGet)
	if limit < 1 || limit > maxGet {
		return batch{}, invalidArgument("Limit must be 1 to 10000.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, it, err := s.open(r.Iterator)
	switch {
	case err != nil:
		return batch{}, err
	case r.ARN != "" && r.ARN != sh.stream.arn:
		return batch{}, invalidArgument("The iterator is of another stream than StreamARN.")
	case now.Sub(it.created) > iteratorLife:
		return batch{}, ExpiredIterator()
	case s.limits && !sh.reads.admit(now):
		return batch{}, ProvisionedThroughputExceeded()
	}
	if call.fault.AtMost > 0 {
		limit = min(limit, call.fault.AtMost)
	}
	if call.fault.Empty && sh.at(it.next) < len(sh.records) {
		limit = 0
	}
	c := sh.read(it.next, limit, maxBytes, now)
	for i := range c.records {
		sh.reads.bytes += c.records[i].size()
	}
	if call.fault.LateEnd && len(c.records) > 0 {
		c.end = false
	}
	a := batch{chunk: c, iterator: sh.iterator(c.next, now)}
	if c.end {
		a.children = sh.offspring()
	}
	if len(c.records) > 0 || c.end {
		sh.tell(Event{What: Read, Host: call.host, End: c.end, Lost: call.fault.Cut == CutAfter}, c.records)
	}
	return a, nil
}

// child is what the reader of a closed shard is told of a child (KIN-67).
type child struct {
	id      string
	parents []string
	keys    hashRange
}

// offspring are the children of a shard that is read to its end.
func (sh *shard) offspring() []child {
	children := make([]child, len(sh.children))
	for i, c := range sh.children {
		children[i] = child{id: c.id, keys: c.keys, parents: make([]string, len(c.parents))}
		for j, parent := range c.parents {
			children[i].parents[j] = parent.id
		}
	}
	return children
}
