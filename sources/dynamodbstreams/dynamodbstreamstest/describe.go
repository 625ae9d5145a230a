package dynamodbstreamstest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

const (
	maxListed = 100 // shards, or streams, of a page (DDB-20)

	// beforeAll is where a list goes on after a first page without shards.
	beforeAll = "shardId-00000000000000000000-00000000"
)

// shardFilter says which shards are wanted (DDB-23).
type shardFilter struct {
	Type  string `json:"Type"`
	Shard string `json:"ShardId"`
}

type describeStream struct {
	ARN    string       `json:"StreamArn"`
	After  string       `json:"ExclusiveStartShardId"`
	Max    *int         `json:"Limit"`
	Filter *shardFilter `json:"ShardFilter"`
}

func (r *describeStream) describe(s *Server, c *Call) {
	c.Limit, c.After = given(r.Max, 0), r.After
	if r.Filter != nil {
		c.Shard, c.Children = r.Filter.Shard, true
	}
	if _, err := s.lookup(r.ARN); err == nil {
		c.Stream = r.ARN
	}
}

// form holds the call to the form of its members.
func (r *describeStream) form() error {
	if err := checkARN(r.ARN); err != nil {
		return err
	}
	if n := given(r.Max, 1); n < 1 {
		return invalid("1 validation error detected: Value at 'limit' failed to satisfy constraint: " +
			"Member must have value greater than or equal to 1")
	}
	if r.After != "" {
		if err := checkShard("exclusiveStartShardId", r.After); err != nil {
			return err
		}
	}
	if r.Filter == nil {
		return nil
	}
	if r.Filter.Type != string(types.ShardFilterTypeChildShards) {
		return invalid("1 validation error detected: Value at 'shardFilter.type' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [CHILD_SHARDS]")
	}
	return checkShard("shardFilter.shardId", r.Filter.Shard)
}

// shardJSON is a shard as it is answered.
type shardJSON struct {
	ID     string    `json:"ShardId"`
	Parent string    `json:"ParentShardId,omitempty"`
	Range  rangeJSON `json:"SequenceNumberRange"`
}

type rangeJSON struct {
	First string `json:"StartingSequenceNumber"`
	Last  string `json:"EndingSequenceNumber,omitempty"`
}

// keyJSON is a key attribute as it is answered.
type keyJSON struct {
	Name string `json:"AttributeName"`
	Type string `json:"KeyType"`
}

// streamJSON is a stream as it is answered.
type streamJSON struct {
	ARN     string               `json:"StreamArn"`
	Label   string               `json:"StreamLabel"`
	Status  types.StreamStatus   `json:"StreamStatus"`
	View    types.StreamViewType `json:"StreamViewType"`
	Created float64              `json:"CreationRequestDateTime"`
	Table   string               `json:"TableName"`
	Keys    []keyJSON            `json:"KeySchema"`
	Shards  []shardJSON          `json:"Shards"`
	Last    string               `json:"LastEvaluatedShardId,omitempty"`
}

func (r *describeStream) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	if err := r.form(); err != nil {
		return nil, err
	}
	st, err := s.lookup(r.ARN)
	if err != nil || st.arn != r.ARN {
		return nil, notFound("Requested resource not found: Stream: " + r.ARN + " not found")
	}
	if s.limits && !s.describes.admit(now, describeRate) {
		return nil, ThrottlingException()
	}
	shards, last, err := r.page(st, x.fault, now)
	if err != nil {
		return nil, err
	}
	answer := streamJSON{
		ARN: st.arn, Label: st.label, Status: st.status, View: st.view, Created: float64(st.created.Unix()), Table: st.table,
		Shards: []shardJSON{}, Last: last,
	}
	for i, name := range st.keys {
		answer.Keys = append(answer.Keys, keyJSON{Name: name, Type: [...]string{"HASH", "RANGE"}[i]})
	}
	for _, sh := range shards {
		answer.Shards = append(answer.Shards, sh.tellOf(x.fault.Unended))
	}
	return json.Marshal(map[string]streamJSON{"StreamDescription": answer})
}

// tellOf is the shard as it is answered.
func (sh *shard) tellOf(unended bool) shardJSON {
	told := shardJSON{ID: sh.id, Range: rangeJSON{First: sh.stream.text(sh.first)}}
	if sh.isClosed() && !unended {
		told.Range.Last = sh.stream.text(sh.last)
	}
	if sh.parent != nil {
		told.Parent = sh.parent.id
	}
	return told
}

// page returns the shards that are wanted, and where the list goes on, "" at its
// end.
func (r *describeStream) page(st *stream, fault Fault, now time.Time) (shards []*shard, last string, err error) {
	list, err := r.wanted(st, fault, now)
	if err != nil {
		return nil, "", err
	}
	if r.After != "" && r.After != beforeAll {
		i := slices.IndexFunc(list, func(sh *shard) bool { return sh.id == r.After })
		if i < 0 {
			return nil, "", notFound("Requested resource not found: Shard does not exist: " + r.After)
		}
		list = list[i+1:]
	}
	limit := min(given(r.Max, maxListed), maxListed)
	if fault.AtMost > 0 {
		limit = min(limit, fault.AtMost)
	}
	if fault.Empty && len(list) > 0 {
		return nil, cmp.Or(r.After, beforeAll), nil
	}
	if len(list) > limit {
		return list[:limit], list[limit-1].id, nil
	}
	return list, "", nil
}

// wanted returns the shards that the call is about, in the order of the list.
func (r *describeStream) wanted(st *stream, fault Fault, now time.Time) ([]*shard, error) {
	parent := ""
	if r.Filter != nil && !fault.Unfiltered {
		sh, err := st.shard(r.Filter.Shard)
		if err != nil {
			return nil, err
		}
		if !sh.isClosed() {
			return nil, invalid("Shard " + sh.id + " is open; only the children of a closed shard can be asked for.")
		}
		parent = sh.id
	}
	var list []*shard
	for _, sh := range st.shards {
		child := parent == "" || sh.parent != nil && sh.parent.id == parent
		if child && !now.Before(sh.listed) && !slices.Contains(fault.Hidden, sh.id) {
			list = append(list, sh)
		}
	}
	if st.server.unordered {
		slices.SortFunc(list, func(a, b *shard) int { return strings.Compare(a.id[len(a.id)-8:], b.id[len(b.id)-8:]) })
	}
	return list, nil
}

type listStreams struct {
	Table string `json:"TableName"`
	After string `json:"ExclusiveStartStreamArn"`
	Max   *int   `json:"Limit"`
}

func (r *listStreams) describe(*Server, *Call) {}

func (r *listStreams) run(x exchange) ([]byte, error) {
	type told struct {
		ARN   string `json:"StreamArn"`
		Label string `json:"StreamLabel"`
		Table string `json:"TableName"`
	}
	answer := struct {
		Streams []told `json:"Streams"`
		Last    string `json:"LastEvaluatedStreamArn,omitempty"`
	}{Streams: []told{}}
	if r.Table != "" && !legalTable(r.Table) {
		return nil, invalid("1 validation error detected: Value at 'tableName' failed to satisfy constraint: " +
			"Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	limit := given(r.Max, maxListed)
	if limit < 1 || limit > maxListed {
		return nil, invalid("Limit must be 1 to 100.")
	}
	if x.fault.AtMost > 0 {
		limit = min(limit, x.fault.AtMost)
	}
	behind := r.After == ""
	for _, st := range x.server.streams {
		switch {
		case !behind:
			behind = st.arn == r.After
		case r.Table != "" && st.table != r.Table:
		case len(answer.Streams) == limit:
			answer.Last = answer.Streams[limit-1].ARN
			return json.Marshal(answer)
		default:
			answer.Streams = append(answer.Streams, told{ARN: st.arn, Label: st.label, Table: st.table})
		}
	}
	return json.Marshal(answer)
}
