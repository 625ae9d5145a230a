package filter

import (
	"errors"
	"fmt"
	"sync"
)

// Bounds of Options.MaxFilters (FILT-03).
const (
	// DefaultFilters is how many filters a mapping may have.
	DefaultFilters = 5
	// MaxFilters is to how many that can be raised.
	MaxFilters = 10
)

// Body says how the bodies of a kind of source are filtered. It is the same
// for all records of a source.
type Body struct {
	// Key is the member of a pattern that is about the body: "body" for SQS,
	// "data" for Kinesis and MQ, "dynamodb" for DynamoDB Streams, "value" for
	// Kafka (FILT-50..54). Required.
	Key string

	// Text allows patterns for bodies of plain text: an array under Key. It
	// holds for SQS, Kafka and MQ; Kinesis and DynamoDB Streams refuse such a
	// pattern (FILT-68).
	Text bool

	// KeepMismatch is what becomes of a body that is not what the pattern is
	// about: text for a JSON pattern, JSON for a text pattern, or not UTF-8
	// for either. If set, as for Kafka and MQ, the rest of the pattern
	// decides, and where there is none the record passes (FILT-84..88,
	// KAF-153). Otherwise, as for SQS, Kinesis and DynamoDB Streams, the
	// pattern does not match (FILT-74, FILT-75, FILT-80, KIN-204).
	KeepMismatch bool

	// Members are all that may stand beside Key in a record. A pattern is refused
	// with a [MemberError] if it names another one, or one below a text or a
	// number, or if all of its combinations ask a member for what it is not. nil
	// means that they are not known, and nothing is refused.
	Members []Member
}

// record is a record with its body.
func (b *Body) record() Member {
	if b.Members == nil {
		return Member{}
	}
	return Member{Kind: Object, Members: append([]Member{{Name: b.Key}}, b.Members...)}
}

// Options are what AWS does not have by default. The zero value is AWS's.
type Options struct {
	// MaxFilters is how many filters a mapping may have: 1 to 10; 0 means 5
	// (FILT-03).
	MaxFilters int

	// Extensions allows the operators that EventBridge knows and Lambda does
	// not list: wildcard, cidr, exactly, equals-ignore-case inside prefix and
	// suffix, and prefix, suffix, equals-ignore-case and wildcard inside
	// anything-but (FILT-35, FILT-36, FILT-37).
	Extensions bool
}

// Criteria are the filters of one mapping, compiled. They do not change and
// are safe for concurrent use.
type Criteria struct {
	body  Body
	plan  plan
	match sync.Pool // of *matcher
}

// PatternError says what is wrong with the pattern of one filter.
type PatternError struct {
	// Filter is the number of the filter, from 1.
	Filter int
	// Err says where in the pattern, and what.
	Err error
}

// Error gives the number and what is wrong.
func (e *PatternError) Error() string {
	return fmt.Sprintf("the pattern of filter %d: %v", e.Filter, e.Err)
}

// Unwrap returns what is wrong.
func (e *PatternError) Unwrap() error { return e.Err }

// Compile reads patterns, one a filter. Without patterns every record passes
// (FILT-06). The error names every filter that is wrong, and where, each with
// a *PatternError.
func Compile(patterns []string, body Body, options Options) (*Criteria, error) {
	limit := options.MaxFilters
	if limit == 0 {
		limit = DefaultFilters
	}
	var errs []error
	if limit < 1 || limit > MaxFilters {
		errs = append(errs, fmt.Errorf("MaxFilters is %d, must be 1 to %d", limit, MaxFilters))
	} else if len(patterns) > limit {
		errs = append(errs, fmt.Errorf("there are %d filters, at most %d are allowed", len(patterns), limit))
	}
	if body.Key == "" {
		errs = append(errs, errors.New("the key of the body is empty"))
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	c := &Criteria{body: body}
	c.plan.nodes = []node{metadataNode: {}, bodyNode: {}}
	compile := compiler{
		parser:  parser{extensions: options.Extensions},
		body:    body,
		plan:    &c.plan,
		kids:    make(map[kid]int),
		failing: make(map[int]error),
	}
	join := newJoiner(&c.plan)
	for i, pattern := range patterns {
		combinations, err := compile.pattern(pattern)
		if err != nil {
			errs = append(errs, &PatternError{Filter: i + 1, Err: err})
			continue
		}
		for _, combination := range combinations {
			join.add(combination)
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	c.match.New = func() any { return newMatcher(&c.plan) }
	return c, nil
}

// Metadata returns the members beside the body that patterns name, each with the
// names of the fields right below it that they ask for.
func (c *Criteria) Metadata() map[string][]string {
	members := make(map[string][]string)
	for _, member := range c.plan.nodes[metadataNode].kids {
		members[member.name] = nil
		for _, field := range c.plan.nodes[member.node].kids {
			members[member.name] = append(members[member.name], field.name)
		}
	}
	return members
}

// Match reports whether a record passes a filter.
//
// body is the record's body as the sender wrote it, decoded from base64 where
// the event document has it encoded (FILT-51, FILT-53, FILT-54), and neither
// changed nor kept. nil means that the record has none, as a Kafka tombstone;
// an empty body is an empty text.
//
// metadata appends the record's other members to dst, as one JSON object, and
// returns the longer slice. It is called at most once, only if a pattern names
// such a member, and keeps nothing. nil means that there are none, and so does
// what is not a JSON object from its first byte on.
//
// The same input has the same result always. Match may be called concurrently.
// It allocates nothing once its buffers have grown, but where a cidr meets a
// text that looks like an address and is none.
func (c *Criteria) Match(body []byte, metadata func(dst []byte) []byte) bool {
	if len(c.plan.rules) == 0 {
		return true
	}
	m, ok := c.match.Get().(*matcher)
	if !ok {
		return false // the pool has nothing else
	}
	passes := m.record(&c.body, body, metadata)
	m.document = nil
	c.match.Put(m)
	return passes
}
