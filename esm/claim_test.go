package esm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
	"github.com/openesm/openesm/sources/sourcetest"
)

func TestSourceIsReadByOneMappingAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := queueOf(memory.QueueOptions{}).Source()
		j := newJournal()
		stop := background(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{Name: "first"})))
		for name, again := range map[string]sources.Source{
			"itself":  source,
			"wrapped": sourcetest.Faulty(source, func(sourcetest.Op) sourcetest.Fault { return sourcetest.Fault{} }),
		} {
			err := mustNew(t, again, j.handler(nil), j.config(esm.Config{Name: "second"})).Run(t.Context())
			if !errors.Is(err, esm.ErrSourceInUse) {
				t.Errorf("%s: Run of the second mapping: %v", name, err)
			}
		}
		_, err := stop()
		equal(t, "Run of the first", err, nil)
	})
}

// stateless is a source of no size: two of them may have one address.
type stateless struct{}

func (*stateless) Traits() sources.Traits {
	return memory.NewQueue(memory.QueueOptions{}).Source().Traits()
}
func (*stateless) Accept(ctx context.Context) (sources.Partition, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (*stateless) Close(context.Context) error { return nil }

func TestSourcesThatAreNotTheSameAreNotMistakenForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		for _, pair := range [][2]sources.Source{
			{q.Source(), q.Source()}, {new(stateless), new(stateless)}, {bare{q.Source()}, bare{q.Source()}},
		} {
			j := newJournal()
			first := background(t, mustNew(t, pair[0], j.handler(nil), j.config(esm.Config{})))
			second := background(t, mustNew(t, pair[1], j.handler(nil), j.config(esm.Config{})))
			_, err := first()
			equal(t, "Run of the first", err, nil)
			_, err = second()
			equal(t, "Run of the second", err, nil)
		}
	})
}
