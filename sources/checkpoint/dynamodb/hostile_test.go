package dynamodb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

// TestEmptyAnswersSayNothing has calls be answered with 200 and nothing in it, as a
// proxy may.
func TestEmptyAnswersSayNothing(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"no body": "", "empty object": "{}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withTable(t)
			if err := w.store.Create(t.Context(), shardLease()); err != nil {
				t.Fatal(err)
			}
			w.server.Inject("DescribeTable", dynamodbtest.Fault{Answer: &body})
			err := w.store.CreateTable(t.Context())
			if err == nil || !strings.Contains(err.Error(), "DescribeTable") {
				t.Errorf("CreateTable: got error %v, want one of DescribeTable", err)
			}
			w.server.Inject("Scan", dynamodbtest.Fault{Answer: &body})
			list, err := w.store.Leases(t.Context())
			if err == nil || errors.Is(err, checkpoint.ErrConflict) || !strings.Contains(err.Error(), "Scan") {
				t.Errorf("Leases: got %d leases and error %v, want an error of Scan", len(list), err)
			}
			only(t, w.store)
		})
	}
}
