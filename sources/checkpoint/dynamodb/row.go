package dynamodb

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Attributes of the Kinesis Client Library.
const (
	leaseKey      = "leaseKey"
	leaseOwner    = "leaseOwner"
	leaseCounter  = "leaseCounter"
	handingOver   = "checkpointOwner" // since KCL 3
	sequence      = "checkpoint"
	subSequence   = "checkpointSubSequenceNumber"
	ownerSwitches = "ownerSwitchesSinceCheckpoint"
	parentShards  = "parentShardId" // singular, and a set
	childShards   = "childShardIds"
	startingHash  = "startingHashKey"
	endingHash    = "endingHashKey"
	pendingPrefix = "pendingCheckpoint" // a checkpoint that was prepared: also with SubSequenceNumber and State
	entityType    = "entityType"        // KCL 3: what a row is; missing for leases
	entityLease   = "LEASE"
	streamName    = "streamName" // only in multi-stream mode
	ownStream     = "openesmStream"
	ownTimestamp  = "openesmTimestamp"
	ownWindow     = "openesmWindow"
	// ownWindowEncoding says how the window is stored: "gzip", or as it is if the
	// attribute is missing.
	ownWindowEncoding = "openesmWindowEncoding"
	timestampStyle    = time.RFC3339Nano
)

// row is an item of the table.
type row = map[string]types.AttributeValue

// attribute is a lease's field as it is stored; without a value it is missing.
type attribute struct {
	name  string
	value types.AttributeValue
}

func key(shard string) row {
	return row{leaseKey: &types.AttributeValueMemberS{Value: shard}}
}

// attributes are a lease's fields but for its key and its window.
func attributes(l *checkpoint.Lease) []attribute {
	list := []attribute{
		{leaseOwner, text(l.Owner)},
		{handingOver, text(l.CheckpointOwner)},
		{leaseCounter, number(l.Counter)},
		{sequence, text(l.Position.Sequence)},
		{subSequence, number(l.Position.SubSequence)},
		{parentShards, set(l.Parents)},
		{childShards, set(l.Children)},
		{startingHash, text(l.StartingHashKey)},
		{endingHash, text(l.EndingHashKey)},
		{ownStream, text(l.Stream)},
		{ownTimestamp, nil},
	}
	if at := l.Position.Timestamp; !at.IsZero() {
		list[len(list)-1].value = text(at.UTC().Format(timestampStyle))
	}
	return list
}

// text is nil for an empty text, which an index does not take.
func text(s string) types.AttributeValue {
	if s == "" {
		return nil
	}
	return &types.AttributeValueMemberS{Value: s}
}

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// set is nil for an empty set, which there is not.
func set(list []string) types.AttributeValue {
	if len(list) == 0 {
		return nil
	}
	unique := slices.Compact(slices.Sorted(slices.Values(list)))
	return &types.AttributeValueMemberSS{Value: unique}
}

// isLease tells leases from what newer versions of KCL 3 keep beside them.
func isLease(r row) bool {
	kind, ok := r[entityType].(*types.AttributeValueMemberS)
	return !ok || kind.Value == entityLease
}

// parse reads a row.
func parse(r row) (checkpoint.Lease, error) {
	p := parser{row: r}
	l := checkpoint.Lease{
		Shard:  p.text(leaseKey),
		Stream: p.text(ownStream),
		Owner:  p.text(leaseOwner),

		CheckpointOwner: p.text(handingOver),

		Counter: p.number(leaseCounter),
		Position: checkpoint.Position{
			Sequence:    p.text(sequence),
			SubSequence: p.number(subSequence),
			Timestamp:   p.time(ownTimestamp),
		},
		Parents:         p.set(parentShards),
		Children:        p.set(childShards),
		StartingHashKey: p.text(startingHash),
		EndingHashKey:   p.text(endingHash),
		Window:          p.window(),
	}
	if r[leaseCounter] == nil {
		p.fail(leaseCounter, "a number")
	}
	if p.err == nil && r[streamName] != nil {
		p.err = fmt.Errorf("row %q: it belongs to a KCL application in multi-stream mode (attribute %s); a table is for one stream",
			l.Shard, streamName)
	}
	return l, p.err
}

// parser takes a row apart. What is missing is zero; what has another type than
// it should is the error, the first one.
type parser struct {
	row row
	err error
}

func (p *parser) text(name string) string {
	switch v := p.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		p.fail(name, "a text")
	}
	return ""
}

func (p *parser) number(name string) int64 {
	switch v := p.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err == nil {
			return n
		}
		p.fail(name, "a whole number of 64 bits")
	default:
		p.fail(name, "a number")
	}
	return 0
}

func (p *parser) time(name string) time.Time {
	s := p.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(timestampStyle, s)
	if err != nil {
		p.fail(name, "a time of RFC 3339")
	}
	return t.UTC()
}

func (p *parser) set(name string) []string {
	switch v := p.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberSS:
		return v.Value
	default:
		p.fail(name, "a set of texts")
	}
	return nil
}

func (p *parser) bytes(name string) []byte {
	switch v := p.row[name].(type) {
	case nil:
	case *types.AttributeValueMemberB:
		return v.Value
	default:
		p.fail(name, "bytes")
	}
	return nil
}

func (p *parser) window() []byte {
	stored, encoding := p.bytes(ownWindow), p.text(ownWindowEncoding)
	if stored == nil {
		return nil
	}
	window, err := unpack(stored, encoding)
	if err != nil {
		p.fail(ownWindow, "a window with the "+ownWindowEncoding+" that it names: "+err.Error())
	}
	return window
}

func (p *parser) fail(name, want string) {
	if p.err == nil {
		shard, _ := p.row[leaseKey].(*types.AttributeValueMemberS)
		if shard == nil {
			shard = &types.AttributeValueMemberS{}
		}
		p.err = fmt.Errorf("row %q: the attribute %s is not %s", shard.Value, name, want)
	}
}
