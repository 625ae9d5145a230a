package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/awscall"
)

// poll is how long to wait between looks at a table that is being made.
const poll = time.Second

// CreateTable makes the table if there is none, with on-demand billing, and waits
// until it can be used, which takes seconds. Processes may do so at the same
// time. A table that is there is checked to be one of leases, and otherwise left
// alone. It ends with an error when ctx is done, and at the first call that fails.
func (s *Store) CreateTable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for made := false; ; {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.DescribeTable,
			&dynamodb.DescribeTableInput{TableName: &s.table}, once)
		_, missing := errors.AsType[*types.ResourceNotFoundException](err)
		switch {
		case missing && !made:
			err = s.makeTable(ctx)
			made = true
		case missing:
			err = nil // not everybody has heard of it yet
		case err != nil:
			err = s.failed("DescribeTable", err)
		case out.Table == nil:
			err = s.failed("DescribeTable", errNoTable)
		default:
			var ready bool
			ready, err = s.inspect(out.Table)
			if ready {
				return err
			}
		}
		if err != nil {
			return err
		}
		if err := wait(ctx, poll); err != nil {
			return err
		}
	}
}

// makeTable makes the table, unless somebody else does.
func (s *Store) makeTable(ctx context.Context) error {
	in := &dynamodb.CreateTableInput{
		TableName:            &s.table,
		BillingMode:          types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(leaseKey), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(leaseKey), AttributeType: types.ScalarAttributeTypeS}},
	}
	if s.options.DeletionProtection {
		in.DeletionProtectionEnabled = aws.Bool(true)
	}
	for _, name := range slices.Sorted(maps.Keys(s.options.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: &name, Value: aws.String(s.options.Tags[name])})
	}
	_, err := awscall.Do(ctx, awscall.Limit, s.client.CreateTable, in, once)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return nil
	}
	return s.failed("CreateTable", err)
}

// inspect reports whether the table can be used, and what is wrong with it.
func (s *Store) inspect(t *types.TableDescription) (ready bool, err error) {
	switch t.TableStatus {
	case types.TableStatusCreating:
		return false, nil
	case types.TableStatusActive, types.TableStatusUpdating:
	default:
		return false, fmt.Errorf("table %s: its status is %s, want ACTIVE", s.table, t.TableStatus)
	}
	if len(t.KeySchema) != 1 || aws.ToString(t.KeySchema[0].AttributeName) != leaseKey {
		return false, fmt.Errorf("table %s: its key is not %s alone, so it is no table of leases", s.table, leaseKey)
	}
	return true, nil
}

// wait waits for d, or until ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
