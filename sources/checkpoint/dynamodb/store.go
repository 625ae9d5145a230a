package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
)

// Store keeps leases in a table. Make one with [New]. All methods may be called
// concurrently. Errors other than ErrConflict wrap those of the SDK, after which a
// write may have taken effect, or say that a lease cannot be stored. Those of a table
// that is not there, or that may not be read or written, wrap sources.ErrUnusable too,
// unless that succeeded before.
type Store struct {
	client  Client
	table   string
	options Options
	packer  packer

	// What the service allowed once is waited for when it is denied.
	read, created, updated atomic.Bool
}

var (
	_ checkpoint.Store = (*Store)(nil)
	_ checkpoint.Paced = (*Store)(nil)
)

var (
	errNoItems = errors.New("the answer has no Items")
	errNoTable = errors.New("the answer has no Table")
)

// New returns the store in a table, given by its name or ARN. It makes no call:
// see [Store.CreateTable] for a table that may be missing.
func New(client Client, table string, options Options) (*Store, error) {
	if client == nil {
		return nil, errors.New("dynamodb store: client is nil")
	}
	if table == "" {
		return nil, errors.New("dynamodb store: table is empty, want its name or ARN")
	}
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("dynamodb store: %w", err)
	}
	options.Tags = maps.Clone(options.Tags)
	return &Store{client: client, table: table, options: options}, nil
}

// Interval is Options.PositionInterval, or 0 for none.
func (s *Store) Interval() time.Duration { return s.options.PositionInterval }

// Leases scans the table, with consistent reads, one megabyte a call. A row that
// is no lease of one stream is an error that names it: going on without it would
// read its shard from somewhere else.
func (s *Store) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []checkpoint.Lease
	in := &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true)}
	for {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.Scan, in, once)
		if err != nil {
			return nil, judge(s.failed("Scan", err), &s.read)
		}
		if out.Items == nil { // nothing is said, which is not that there is none
			return nil, s.failed("Scan", errNoItems)
		}
		s.read.Store(true)
		for _, row := range out.Items {
			if !isLease(row) {
				continue
			}
			lease, err := parse(row)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", s.table, err)
			}
			list = append(list, lease)
		}
		if len(out.LastEvaluatedKey) == 0 {
			return list, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Create adds a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Create(ctx context.Context, lease checkpoint.Lease) error {
	if err := errors.Join(ctx.Err(), lease.Check()); err != nil {
		return err
	}
	list, err := s.attributes(&lease)
	if err != nil {
		return err
	}
	row := key(lease.Shard)
	for _, a := range list {
		if a.value != nil {
			row[a.name] = a.value
		}
	}
	row[ownerSwitches] = number(0)
	e := newExpression()
	_, err = awscall.Do(ctx, awscall.Limit, s.client.PutItem, &dynamodb.PutItemInput{
		TableName: &s.table, Item: row,
		ConditionExpression:      aws.String(e.missing(leaseKey)),
		ExpressionAttributeNames: e.names,
	}, once)
	return judge(s.refused("PutItem", err), &s.created, &s.updated)
}

// Update puts next in the place of last, or returns [checkpoint.ErrConflict]. It
// leaves attributes that are not a lease's as they are.
func (s *Store) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if err := errors.Join(ctx.Err(), last.CheckNext(next)); err != nil {
		return err
	}
	list, err := s.attributes(&next)
	if err != nil {
		return err
	}
	e := newExpression()
	condition := e.matches(&last)
	_, err = awscall.Do(ctx, awscall.Limit, s.client.UpdateItem, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: key(last.Shard),
		ConditionExpression:       &condition,
		UpdateExpression:          aws.String(e.replace(&last, &next, list)),
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}, once)
	return judge(s.refused("UpdateItem", err), &s.updated)
}

// Delete removes a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Delete(ctx context.Context, last checkpoint.Lease) error {
	if err := errors.Join(ctx.Err(), last.Check()); err != nil {
		return err
	}
	e := newExpression()
	condition := e.missing(leaseKey) + " OR " + e.matches(&last)
	_, err := awscall.Do(ctx, awscall.Limit, s.client.DeleteItem, &dynamodb.DeleteItemInput{
		TableName: &s.table, Key: key(last.Shard),
		ConditionExpression:       &condition,
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}, once)
	return s.refused("DeleteItem", err)
}

// attributes are all of a lease's fields but for its key.
func (s *Store) attributes(l *checkpoint.Lease) ([]attribute, error) {
	window, err := s.packer.pack(l)
	return append(attributes(l), window...), err
}

// refused is ErrConflict for a condition that did not hold.
func (s *Store) refused(operation string, err error) error {
	if _, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return checkpoint.ErrConflict
	}
	return s.failed(operation, err)
}

// judge has an error end the mapping if the call never was allowed or the table is not
// there. Once says that the call succeeded before, and others that one did after which
// a mapping does not end of this one: then it is waited for.
func judge(err error, once *atomic.Bool, others ...*atomic.Bool) error {
	if err == nil || errors.Is(err, checkpoint.ErrConflict) {
		once.Store(true)
		return err
	}
	_, missing := errors.AsType[*types.ResourceNotFoundException](err)
	switch {
	case slices.ContainsFunc(append(others, once), (*atomic.Bool).Load):
		return err
	case missing:
		return fmt.Errorf("%w (create the table, as CreateTable does, or correct its name or the client's region): %w",
			err, sources.ErrUnusable)
	case awscall.IsDenied(err):
		return fmt.Errorf("%w: %w", err, sources.ErrUnusable)
	default:
		return err
	}
}

// failed wraps the error of a call; nil stays nil.
func (s *Store) failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return &awscall.Error{Service: "dynamodb", Operation: operation, Target: "table " + s.table, Err: err}
}
