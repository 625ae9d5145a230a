package dynamodb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

// A call that is never answered ends after its own deadline, whatever the caller's
// patience, and says which it was.
func TestHungCalls_P11(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"Scan", "PutItem", "UpdateItem", "DeleteItem", "DescribeTable"} {
		synctest.Test(t, func(t *testing.T) {
			w, held := holding(t)
			w.server.Inject(action, dynamodbtest.Fault{Cut: dynamodbtest.CutBefore, Delay: 24 * time.Hour})
			lost(t, action, func() error { return calls(w, held)[action](t.Context()) })
			if err := calls(w, held)[action](t.Context()); err != nil {
				t.Errorf("%s again: %v", action, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.Inject("CreateTable", dynamodbtest.Fault{Cut: dynamodbtest.CutBefore, Delay: 24 * time.Hour})
		lost(t, "CreateTable", func() error { return w.store.CreateTable(t.Context()) })
		if err := w.store.CreateTable(t.Context()); err != nil {
			t.Errorf("CreateTable again: %v", err)
		}
	})
}

// lost holds the error of a call that is not answered to what it must say.
func lost(t *testing.T, action string, call func() error) {
	t.Helper()
	const limit = 20 * time.Second
	began := time.Now()
	err := call()
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != limit {
		t.Errorf("%s: error %v after %v, want one of a deadline after %v", action, err, took, limit)
	}
	if err != nil && !strings.Contains(err.Error(), "dynamodb: "+action+" on table "+tableName+": not answered within 20s") {
		t.Errorf("%s: error %q does not say what was not answered within how long", action, err)
	}
}
