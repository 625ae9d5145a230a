package esm_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// loser tells of its loss while the engine neither fetches nor acks.
type loser struct {
	sources.Partition
	lost chan struct{}
}

func (l loser) Lost() <-chan struct{} { return l.lost }

// losing hands out one partition, which it is going to lose.
type losing struct {
	sources.Source
	lost     chan struct{}
	accepted bool
}

func (l *losing) Accept(ctx context.Context) (sources.Partition, error) {
	if l.accepted {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	l.accepted = true
	p, err := l.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return loser{p, l.lost}, nil
}

func (l *losing) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	appender, _ := l.Source.(sources.EventAppender)
	return appender.AppendEvent(dst, partition, records)
}

// A lane that retries a record in place makes no call by which it could learn
// that the partition has another owner.
func TestLossIsHeardInARetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := &losing{Source: streamOf("a").Source("test"), lost: make(chan struct{})}
		j := newJournal()
		m := mustNew(t, source, j.handler(failIf("a")), j.config(esm.Config{MaximumBufferedBytes: 1}))
		stop := background(t, m)
		time.Sleep(time.Minute)
		close(source.lost)
		synctest.Wait()
		before := len(j.seen())
		time.Sleep(time.Hour)
		synctest.Wait()
		if after := len(j.seen()); before == 0 || after != before {
			t.Errorf("%d invocations before the loss, %d after", before, after-before)
		}
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}
