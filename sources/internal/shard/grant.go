package shard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
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

// IsMissing tells that the stream or shard does not exist.
func IsMissing(err error) bool { return awscall.Code(err) == "ResourceNotFoundException" }

// Allowed takes note of a call that the service has answered: when it is denied later
// that is waited for.
func (s *Stream[R]) Allowed(operation string) { s.grants.note(operation) }

// Refuses reports whether an error says that a call is denied that never was allowed, so
// that the mapping is to end.
func (s *Stream[R]) Refuses(operation string, err error) bool {
	return s.grants.refuses(operation, err)
}

// Failed wraps the error of a call for the stream.
func (s *Stream[R]) Failed(operation string, err error) error {
	return s.failed(operation, "stream "+s.name, err)
}

func (s *Stream[R]) failed(operation, target string, err error) error {
	return &awscall.Error{Service: s.traits.Service, Operation: operation, Target: target, Err: err}
}

// Refused wraps the error of a call for the stream, and tells errors that will not pass
// from those that may.
func (s *Stream[R]) Refused(operation string, err error) error {
	switch {
	case IsMissing(err):
		// The words of KIN-15 and DDB-69.
		return fmt.Errorf("%s: Stream not found: %s (create it, or correct its name or ARN, or the client's region): %w",
			s.traits.Service, cmp.Or(s.arn, s.name), sources.ErrUnusable)
	case s.grants.refuses(operation, err):
		return fmt.Errorf("%w (%s): %w", s.Failed(operation, err), s.traits.Needs, sources.ErrUnusable)
	default:
		return s.Failed(operation, err)
	}
}

// Failed wraps the error of a call for the shard. It ends the mapping if the error says
// that the call never was allowed. of says more of what the call was for, such as
// " for consumer NAME".
func (p *Partition[R]) Failed(operation, of string, err error) error {
	s := p.stream
	told := s.failed(operation, "shard "+p.id+" of stream "+s.name+of, err)
	if manager := s.leases(); manager != nil && s.grants.refuses(operation, err) {
		manager.Fail(fmt.Errorf("%w (%s): %w", told, s.traits.Needs, sources.ErrUnusable))
	}
	return told
}

// What an answer does not say is zero once it is decoded, and zero often means
// something: the end of a shard, a stream without shards. So an answer that lacks what
// the service always says is an error, after which the call is made again.
var (
	errNoRecords  = errors.New("the answer has neither records nor a place to read on from")
	errNoNumber   = errors.New("the answer has a record without a sequence number")
	errOpen       = errors.New("the answer has no place to read on from, but the list of shards says that the shard is open")
	errNoIterator = errors.New("the answer has no ShardIterator")
)

// Check returns an error for an answer that says nothing that holds. One that has Ended
// gets its children: it names them, or the service does, or the list of shards says that
// the shard is closed, or has none such (KIN-28, KIN-86, DDB-27).
func (p *Partition[R]) Check(ctx context.Context, a *Answer[R]) error {
	s := p.stream.service
	for i := range a.Records {
		if s.Sequence(&a.Records[i]) == "" {
			return errNoNumber
		}
	}
	if !a.Ended {
		return nil
	}
	if a.Records == nil {
		return errNoRecords
	}
	if len(a.Children) > 0 && !slices.ContainsFunc(a.Children, isNameless) {
		return nil
	}
	var err error
	a.Children, err = p.findChildren(ctx)
	return err
}

func isNameless(s lease.Shard) bool { return s.ID == "" }

// findChildren asks for the children of the shard, before its lease is ended. That there
// are none may mean that they are late: the manager goes on to look for them.
func (p *Partition[R]) findChildren(ctx context.Context) ([]lease.Shard, error) {
	s := p.stream
	if lister, ok := s.service.(ChildLister); ok {
		children, err := lister.Children(ctx, p.id)
		if err == nil && len(children) > 0 && !slices.ContainsFunc(children, isNameless) {
			return children, nil
		}
	}
	shards, err := s.service.List(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	var children []lease.Shard
	open := false
	for _, shard := range shards {
		open = open || shard.ID == p.id && shard.Open
		if slices.Contains(shard.Parents, p.id) {
			children = append(children, shard)
		}
	}
	if open && len(children) == 0 { // one that has children is closed, whatever a list says (DDB-29)
		return nil, errOpen
	}
	return children, nil
}

// Gone reports whether the shard is not there any more: the error of a call says so, and
// the list of shards too (KIN-74, DDB-26).
func (p *Partition[R]) Gone(ctx context.Context, err error) bool {
	if !IsMissing(err) {
		return false
	}
	s := p.stream
	shards, err := s.service.List(ctx, time.Time{})
	if err != nil { // the stream itself is gone, or about to be
		return false
	}
	for _, shard := range shards {
		if shard.ID == p.id {
			return false
		}
	}
	s.options.Logger.Warn("shard is gone; taken for ended", "stream", s.name, "shard", p.id)
	return true
}
