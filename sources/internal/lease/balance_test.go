package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// What asked for a pass before a look had ended is answered by that look: otherwise
// the Go scheduler decides whether another pass follows at once.
func TestLookAnswersWhoAskedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := New(checkpoint.NewMemory(), func(context.Context, time.Time) ([]Shard, error) { return nil, nil }, Options{
			Start: checkpoint.Position{Sequence: checkpoint.TrimHorizon},
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := m.Close(t.Context()); err != nil { // its goroutines are gone
			t.Fatal(err)
		}
		m.reading, m.working = t.Context(), t.Context()
		signal(m.takeSoon)
		if err := m.pass(true); err != nil {
			t.Fatal(err)
		}
		if len(m.takeSoon) > 0 {
			t.Error("another pass is due")
		}
	})
}
