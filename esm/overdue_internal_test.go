package esm

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A lane that looks too late, because the processors were busy, finds the answer of a
// handler that was in time.
func TestOverdueLaneTakesAnAnswerInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &part{Mapping: &Mapping{config: Config{Observer: func(Observation) {}, Timeout: time.Second}}}
		p.invokes.parent = t.Context()
		v := &invoker{part: p, runner: &runner{answers: make(chan answer, 1)}}
		v.runner.answers <- answer{verdict: succeeded, took: 999 * time.Millisecond}
		if a := v.overdue(ErrTimeout); a.verdict != succeeded || a.err != nil {
			t.Errorf("verdict %v, %v", a.verdict, a.err)
		}
		v.runner.answers <- answer{verdict: failed, err: ErrTimeout}
		if a := v.overdue(ErrTimeout); !errors.Is(a.err, ErrTimeout) {
			t.Errorf("verdict %v, %v", a.verdict, a.err)
		}
	})
}
