package dynamodb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

func TestCreateTable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.SetCreation(7500 * time.Millisecond)
		start := time.Now()
		// everybody may ask for it at the same time
		var running sync.WaitGroup
		for range 5 {
			running.Go(func() {
				if err := w.store.CreateTable(t.Context()); err != nil {
					t.Errorf("CreateTable: %v", err)
				}
			})
		}
		running.Wait()
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("it took %v, want the next full second after the 7.5 that the table takes", took)
		}
		if err := w.store.Create(t.Context(), shardLease()); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		if err := w.store.CreateTable(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("for a table that is there it takes %v and gives %v", time.Since(start), err)
		}
		only(t, w.store)
	})
}

func TestCreateTableOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		store, err := dynamodb.New(w.client, tableName, dynamodb.Options{
			Tags: map[string]string{"team": "orders", "stage": "test"}, DeletionProtection: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.CreateTable(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tags, protected := w.server.Settings(tableName); !protected || tags["team"] != "orders" || len(tags) != 2 {
			t.Errorf("the table has the tags %v, protected is %v", tags, protected)
		}
	})
}

func TestCreateTableFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.Inject("CreateTable", dynamodbtest.Fault{Err: dynamodbtest.AccessDenied()})
		if err := w.store.CreateTable(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("got %v, want AccessDenied", err)
		}
		w.server.SetCreation(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 10500*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := w.store.CreateTable(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10500*time.Millisecond {
			t.Errorf("got %v after %v, want the deadline", err, time.Since(start))
		}
	})
}

// A table of something else is not taken for one of leases.
func TestCreateTableWrongKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	createTable(t, w.client, "orderId")
	err := w.store.CreateTable(t.Context())
	if err == nil || !strings.Contains(err.Error(), "leaseKey") || !strings.Contains(err.Error(), tableName) {
		t.Errorf("got %v, want an error that names the key and the table", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := dynamodb.New(nil, tableName, dynamodb.Options{}); err == nil {
		t.Error("no client is no error")
	}
	w := newWorld(t)
	if _, err := dynamodb.New(w.client, "", dynamodb.Options{}); err == nil {
		t.Error("no table is no error")
	}
	var store checkpoint.Store = w.store
	if _, ok := store.(checkpoint.Exclusive); ok {
		t.Error("a store that processes share says that it is exclusive")
	}
}

// A table that was made is not known everywhere at once.
func TestCreateTableHeardOfLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		unheard := dynamodbtest.Fault{Err: &dynamodbtest.Error{
			Status: 400, Type: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", Message: "not found",
		}}
		w.server.Inject("DescribeTable", unheard, unheard, unheard)
		start := time.Now()
		if err := w.store.CreateTable(t.Context()); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v, want nil after 3 s", err, time.Since(start))
		}
		if made := w.server.Calls("CreateTable"); made != 1 {
			t.Errorf("the table was made %d times", made)
		}
	})
}

// goingClient says that the table is being deleted.
type goingClient struct{ dynamodb.Client }

func (goingClient) DescribeTable(
	context.Context, *awsdynamodb.DescribeTableInput, ...func(*awsdynamodb.Options),
) (*awsdynamodb.DescribeTableOutput, error) {
	return &awsdynamodb.DescribeTableOutput{Table: &types.TableDescription{TableStatus: types.TableStatusDeleting}}, nil
}

// A table that goes away is not waited for.
func TestCreateTableGoing(t *testing.T) {
	t.Parallel()
	store := newStore(t, goingClient{}, tableName)
	if err := store.CreateTable(t.Context()); err == nil || !strings.Contains(err.Error(), "DELETING") {
		t.Errorf("got %v, want an error that names the status", err)
	}
}
