package kinesistest

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

const (
	maxListed = 1_000             // shards of a page (KIN-60)
	maxAsked  = 10_000            // that a call may ask for
	tokenLife = 300 * time.Second // KIN-60
)

// shardFilter says which shards are wanted (KIN-62).
type shardFilter struct {
	Type  string `json:"Type"`
	Shard string `json:"ShardId,omitempty"`
	Time  *epoch `json:"Timestamp,omitempty"`
}

// check tells what Kinesis would not accept.
func (f *shardFilter) check(now time.Time) error {
	if f == nil {
		return nil
	}
	switch f.Type {
	case "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST":
	case "AFTER_SHARD_ID":
		if f.Shard == "" {
			return invalidArgument("A filter of type AFTER_SHARD_ID must have a ShardId.")
		}
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		if f.Time == nil || f.Time.time().After(now) {
			return invalidArgument("A filter by time must have a Timestamp that is not in the future.")
		}
	default:
		return invalidArgument("The filter's type is not one that there is.")
	}
	return nil
}

// wants says whether a shard is wanted. The trim horizon is where the oldest
// listed shards were open: those of which no parent is listed.
func (f *shardFilter) wants(sh *shard) bool {
	if f == nil {
		return true
	}
	switch f.Type {
	case "AFTER_SHARD_ID":
		return sh.id > f.Shard
	case "AT_TRIM_HORIZON":
		return !slices.ContainsFunc(sh.parents, func(parent *shard) bool { return !parent.gone })
	case "AT_LATEST":
		return !sh.isClosed()
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		at := f.Time.time()
		if at.Before(sh.stream.created) {
			at = sh.stream.created
		}
		ended := sh.isClosed() && !sh.closed.After(at)
		return !ended && (f.Type == "FROM_TIMESTAMP" || !sh.opened.After(at))
	default:
		return true
	}
}

type listShards struct {
	onStream

	Filter *shardFilter `json:"ShardFilter"`
	After  string       `json:"ExclusiveStartShardId"`
	Max    *int         `json:"MaxResults"`
	Next   string       `json:"NextToken"`
}

// page is where a list goes on; its JSON in base64 is the token.
type page struct {
	Stream  uint64       `json:"s"`
	After   string       `json:"a"`
	Filter  *shardFilter `json:"f,omitempty"`
	Created int64        `json:"c"` // nanoseconds since 1970
}

func (p page) token() (string, error) {
	text, err := json.Marshal(p)
	return base64.StdEncoding.EncodeToString(text), err
}

// parsePage reads a token.
func parsePage(token string, now time.Time) (page, error) {
	var p page
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(text, &p) != nil || p.Filter.check(now) != nil {
		return p, invalidArgument("Invalid NextToken.")
	}
	if now.Sub(time.Unix(0, p.Created)) > tokenLife {
		return p, modeled("ExpiredNextTokenException", "The NextToken has expired. It is older than 300 seconds.")
	}
	return p, nil
}

// first returns the stream and the page that the call asks for. With a token
// it must not name the stream (KIN-61). The mutex is held.
func (r *listShards) first(s *Server, now time.Time) (*stream, page, error) {
	if r.Next == "" {
		st, err := r.stream(s)
		return st, page{After: r.After, Filter: r.Filter}, err
	}
	if r.Name != "" || r.ARN != "" || r.After != "" || r.Filter != nil {
		return nil, page{}, invalidArgument("With NextToken there must be no StreamName, StreamARN, " +
			"ExclusiveStartShardId and ShardFilter.")
	}
	p, err := parsePage(r.Next, now)
	if err != nil {
		return nil, p, err
	}
	st, ok := s.byID[p.Stream]
	if !ok {
		return nil, p, notFound("The stream of the NextToken does not exist.")
	}
	return st, p, nil
}

func (r *listShards) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	if n := given(r.Max, maxListed); n < 1 || n > maxAsked {
		return nil, invalidArgument("MaxResults must be 1 to 10000.")
	}
	if r.After != "" && !legalName(r.After) {
		return nil, invalid("exclusiveStartShardId", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, of 1 to 128 characters")
	}
	if err := r.Filter.check(now); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, p, err := r.first(s, now)
	if err != nil {
		return nil, err
	}
	shards, more := st.page(p.After, min(given(r.Max, maxListed), maxListed), p.Filter)
	token := ""
	if more {
		next := page{Stream: st.id, After: shards[len(shards)-1].id, Filter: p.Filter, Created: now.UnixNano()}
		if token, err = next.token(); err != nil {
			return nil, err
		}
	}
	body := appendShards(append(room(shardBytes*len(shards)+shardBytes), '{'), shards)
	if token != "" {
		body = append(append(append(body, `,"NextToken":"`...), token...), '"')
	}
	return append(body, '}'), nil
}

// page returns the listed shards behind one, by ID, and whether there are
// more.
func (st *stream) page(after string, n int, filter *shardFilter) (shards []*shard, more bool) {
	i, found := slices.BinarySearchFunc(st.shards, after, func(sh *shard, id string) int {
		return strings.Compare(sh.id, id)
	})
	if found {
		i++
	}
	for ; i < len(st.shards); i++ {
		if !filter.wants(st.shards[i]) {
			continue
		}
		if len(shards) == n {
			return shards, true
		}
		shards = append(shards, st.shards[i])
	}
	return shards, false
}

const shardBytes = 512 // about what the JSON of a shard takes

func appendShards(dst []byte, shards []*shard) []byte {
	dst = append(dst, `"Shards":[`...)
	for i, sh := range shards {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = sh.append(dst)
	}
	return append(dst, ']')
}

// append appends the JSON of the shard (KIN-63).
func (sh *shard) append(dst []byte) []byte {
	dst = append(dst, `{"ShardId":"`...)
	dst = append(dst, sh.id...)
	for i, parent := range sh.parents {
		dst = append(dst, [...]string{`","ParentShardId":"`, `","AdjacentParentShardId":"`}[i]...)
		dst = append(dst, parent.id...)
	}
	dst = append(dst, `",`...)
	dst = appendRange(dst, sh.keys)
	dst = append(dst, `,"SequenceNumberRange":{"StartingSequenceNumber":"`...)
	dst = append(dst, sh.stream.numbers.text(sh.first)...)
	if sh.isClosed() {
		dst = append(dst, `","EndingSequenceNumber":"`...)
		dst = append(dst, sh.stream.numbers.text(sh.last)...)
	}
	return append(dst, `"}}`...)
}
