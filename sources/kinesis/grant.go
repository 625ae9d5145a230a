package kinesis

import (
	"fmt"
	"sync"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
)

// grants are the calls that the service allowed once. What was allowed once is waited
// for when it is denied, and what never was ends the mapping; so it is for every call.
type grants struct{ operations sync.Map }

// note takes note of a call that was answered.
func (g *grants) note(operation string) {
	if _, known := g.operations.Load(operation); !known {
		g.operations.Store(operation, true)
	}
}

// refuses reports whether an error says that a call is denied that never was allowed.
func (g *grants) refuses(operation string, err error) bool {
	_, granted := g.operations.Load(operation)
	return !granted && (awscall.IsDenied(err) || isKeyDenied(err))
}

// isKeyDenied tells that the key of an encrypted stream may not be used (KIN-33).
func isKeyDenied(err error) bool { return awscall.Code(err) == "KMSAccessDeniedException" }

// judge ends the mapping if an error of reading a shard says that the call never was
// allowed. It returns the error as it is to be told.
func (p *partition) judge(operation string, err error) error {
	told := p.failed(operation, err)
	if manager := p.source.leases(); manager != nil && p.source.grants.refuses(operation, err) {
		manager.Fail(fmt.Errorf("%w (%s): %w", told, needs, sources.ErrUnusable))
	}
	return told
}

// needs says what a caller must be allowed.
const needs = "a mapping needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords, or SubscribeToShard"
