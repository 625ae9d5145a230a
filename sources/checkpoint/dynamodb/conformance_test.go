package dynamodb_test

import (
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/checkpointtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]int{"Pages": 0, "SmallPages": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkpointtest.Run(t, func(tb testing.TB) checkpointtest.Harness {
				tb.Helper()
				w := withTable(tb)
				w.server.SetPage(page)
				h := checkpointtest.Harness{
					Store:  w.store,
					Reopen: func() (checkpoint.Store, error) { return newStore(tb, w.client, tableName), nil },
				}
				if page > 0 {
					h.Many = 100
				}
				return h
			})
		})
	}
}
