package sourcetest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

var errTest = errors.New("service is down")

// plan gives a fault to one call of a kind, and none to the others.
func plan(kind Kind, call int, fault Fault) func(Op) Fault {
	return func(op Op) Fault {
		if op.Kind == kind && op.Call == call {
			return fault
		}
		return Fault{}
	}
}

func accept(t *testing.T, source sources.Source) sources.Partition {
	t.Helper()
	partition, err := source.Accept(t.Context())
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return partition
}

func fetch(t *testing.T, partition sources.Partition, size int) ([]sources.Record, error) {
	t.Helper()
	buf := make([]sources.Record, size)
	n, err := partition.Fetch(t.Context(), buf, 0)
	return buf[:n], err
}

func filled(bodies ...string) *memory.Queue {
	queue := memory.NewQueue(memory.QueueOptions{})
	for _, body := range bodies {
		queue.Send(body)
	}
	return queue
}

// TestFaultyWithoutFaults holds the wrapper to changing nothing.
func TestFaultyWithoutFaults(t *testing.T) {
	t.Parallel()
	faultless := func(h Harness) Harness {
		open := h.Open
		h.Item = func(r sources.Record) string { return strconv.Quote(r.ID) }
		h.Open = func(ctx context.Context) (sources.Source, error) {
			source, err := open(ctx)
			if err != nil {
				return nil, err
			}
			return Faulty(source.(*bent).Source, func(Op) Fault { return Fault{} }), nil
		}
		return h
	}
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		RunInBubbles(t, func(*testing.T) Harness { return faultless(standard(func(*bent) {})) })
	})
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		RunInBubbles(t, func(*testing.T) Harness { return faultless(onStream(func(*bent) {})) })
	})
}

func TestFaultBeforeAndAfter(t *testing.T) {
	t.Parallel()
	t.Run("Accept", func(t *testing.T) {
		t.Parallel()
		for _, fault := range []Fault{{Before: errTest}, {After: errTest}} {
			source := Faulty(filled("a").Source(), plan(OpAccept, 1, fault))
			if _, err := source.Accept(t.Context()); !errors.Is(err, errTest) {
				t.Errorf("Accept: %v, want %v", err, errTest)
			}
			if records, err := fetch(t, accept(t, source), 1); len(records) != 1 || err != nil {
				t.Errorf("Fetch: %d records, %v", len(records), err)
			}
		}
	})
	t.Run("Fetch", func(t *testing.T) {
		t.Parallel()
		for want, fault := range []Fault{{Before: errTest}, {After: errTest}} {
			partition := accept(t, Faulty(filled("a").Source(), plan(OpFetch, 1, fault)))
			if records, err := fetch(t, partition, 1); len(records) != want || !errors.Is(err, errTest) {
				t.Errorf("Fetch: %d records, %v, want %d, %v", len(records), err, want, errTest)
			}
		}
	})
	t.Run("Ack", func(t *testing.T) {
		t.Parallel()
		for want, fault := range []Fault{{Before: errTest}, {After: errTest}} {
			queue := filled("a")
			partition := accept(t, Faulty(queue.Source(), plan(OpAck, 1, fault)))
			records, _ := fetch(t, partition, 1)
			if err := partition.Ack(t.Context(), records); !errors.Is(err, errTest) || queue.Deleted() != want {
				t.Errorf("Ack: %v with %d deleted, want %v, %d", err, queue.Deleted(), errTest, want)
			}
		}
	})
	t.Run("Release", func(t *testing.T) {
		t.Parallel()
		for want, fault := range []Fault{{Before: errTest}, {After: errTest}} {
			queue := filled("a")
			partition := accept(t, Faulty(queue.Source(), plan(OpRelease, 1, fault)))
			records, _ := fetch(t, partition, 1)
			err := partition.(sources.Releaser).Release(t.Context(), records)
			if !errors.Is(err, errTest) || queue.Visible() != want {
				t.Errorf("Release: %v with %d visible, want %v, %d", err, queue.Visible(), errTest, want)
			}
		}
	})
}

// TestFaultyClose has the wrapped partition closed whatever the fault.
func TestFaultyClose(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{{Before: errTest}, {After: errTest}} {
		source := Faulty(filled().Source(), plan(OpClose, 1, fault))
		if err := accept(t, source).Close(t.Context()); !errors.Is(err, errTest) {
			t.Errorf("Close: %v, want %v", err, errTest)
		}
		accept(t, source) // is free again, as it was closed
		kept := Faulty(filled().Source(), plan(OpAccept, 1, Fault{After: errTest}))
		if _, err := kept.Accept(t.Context()); !errors.Is(err, errTest) {
			t.Errorf("Accept: %v, want %v", err, errTest)
		}
		if err := kept.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestPartialAck(t *testing.T) {
	t.Parallel()
	is := func(body string) func(sources.Record) bool {
		return func(r sources.Record) bool { return string(r.Data) == body }
	}
	queue := filled("a", "b", "c", "d")
	partition := accept(t, Faulty(queue.Source(), plan(OpAck, 1, Fault{Unsettled: is("b"), Stale: is("c")})))
	records, _ := fetch(t, partition, 4)
	partial, ok := errors.AsType[*sources.AckError](partition.Ack(t.Context(), records))
	if !ok || len(partial.Unsettled) != 1 || len(partial.Stale) != 1 || queue.Deleted() != 2 {
		t.Fatalf("AckError %+v, %d deleted", partial, queue.Deleted())
	}
	if err := partition.Ack(t.Context(), partial.Unsettled); err != nil || queue.Len() != 1 {
		t.Errorf("Ack: %v, %d left", err, queue.Len())
	}
}

// TestPartialAckOrdered must not let the position pass what is not settled.
func TestPartialAckOrdered(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	for _, body := range []string{"a", "b", "c"} {
		stream.Put("key", []byte(body))
	}
	unsettled := func(r sources.Record) bool { return r.ID == "2" }
	partition := accept(t, Faulty(stream.Source("app"), plan(OpAck, 1, Fault{Unsettled: unsettled})))
	records, _ := fetch(t, partition, 3)
	partial, ok := errors.AsType[*sources.AckError](partition.Ack(t.Context(), records))
	if !ok || len(partial.Unsettled) != 2 || stream.Position("app", partition.ID()) != "1" {
		t.Errorf("AckError %+v, position %s", partial, stream.Position("app", partition.ID()))
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	partition := accept(t, Faulty(filled("a", "b", "c").Source(), plan(OpFetch, 1, Fault{Repeat: 2})))
	var got []byte
	for range 3 {
		records, err := fetch(t, partition, 2)
		if err != nil {
			t.Fatalf("Fetch: %v", err)
		}
		for _, r := range records {
			got = append(got, r.Data...)
		}
	}
	if want := "ababc"; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		partition := accept(t, Faulty(filled("a").Source(), plan(OpFetch, 1, Fault{Delay: time.Minute})))
		start := time.Now()
		if records, err := fetch(t, partition, 1); len(records) != 1 || err != nil || time.Since(start) != time.Minute {
			t.Errorf("%d records, %v after %v", len(records), err, time.Since(start))
		}
	})
}

// TestAbilities goes through all combinations that the wrapper must keep apart.
func TestAbilities(t *testing.T) {
	t.Parallel()
	type (
		releaser  struct{ sources.Releaser }
		failer    struct{ sources.Failer }
		describer struct{ sources.BatchDescriber }
		bare      struct{ sources.Partition }
	)
	for _, inner := range []sources.Partition{
		bare{},
		struct {
			bare
			releaser
		}{},
		struct {
			bare
			failer
		}{},
		struct {
			bare
			describer
		}{},
		struct {
			bare
			releaser
			failer
		}{},
		struct {
			bare
			releaser
			describer
		}{},
		struct {
			bare
			failer
			describer
		}{},
		struct {
			bare
			releaser
			failer
			describer
		}{},
	} {
		outer := (&faultySource{Source: filled().Source(), plan: &faultPlan{}}).wrap(inner)
		if has(outer) != has(inner) {
			t.Errorf("releases, fails, describes: %v, want %v", has(outer), has(inner))
		}
	}
}

func has(partition sources.Partition) [3]bool {
	_, releases := partition.(sources.Releaser)
	_, fails := partition.(sources.Failer)
	_, describes := partition.(sources.BatchDescriber)
	return [3]bool{releases, fails, describes}
}

func TestSourceAbilities(t *testing.T) {
	t.Parallel()
	type (
		starter  struct{ sources.Starter }
		appender struct{ sources.EventAppender }
		bare     struct{ sources.Source }
	)
	type filterer struct{ sources.Filterer }
	for want, inner := range map[[3]bool]sources.Source{
		{}: bare{},
		{true, false, false}: struct {
			bare
			starter
		}{},
		{false, true, false}: struct {
			bare
			appender
		}{},
		{false, false, true}: struct {
			bare
			filterer
		}{},
		{true, true, false}: struct {
			bare
			starter
			appender
		}{},
		{true, false, true}: struct {
			bare
			starter
			filterer
		}{},
		{false, true, true}: struct {
			bare
			appender
			filterer
		}{},
		{true, true, true}: struct {
			bare
			starter
			appender
			filterer
		}{},
	} {
		outer := Faulty(inner, nil)
		_, starts := outer.(sources.Starter)
		_, appends := outer.(sources.EventAppender)
		_, filters := outer.(sources.Filterer)
		if got := [3]bool{starts, appends, filters}; got != want {
			t.Errorf("starts, appends, filters: %v, want %v", got, want)
		}
	}
}

func TestRevocationIsPassedOn(t *testing.T) {
	t.Parallel()
	for _, inner := range []sources.Partition{stillPartition{}, goingPartition{}} {
		partition := (&faultySource{Source: filled().Source(), plan: &faultPlan{}}).wrap(inner)
		_, tells := inner.(sources.Revocable)
		var revoked, lost bool
		partition.(sources.Revocable).OnRevoke(func() { revoked = true }, func() { lost = true })
		if revoked != tells || lost != tells {
			t.Errorf("heard of a revocation: %v, of a loss: %v, want %v", revoked, lost, tells)
		}
	}
}

func TestIdentifierIsPassedOn(t *testing.T) {
	t.Parallel()
	named := identified{&bent{}, func(item []byte) (string, bool) { return "of " + string(item), true }}
	for _, test := range []struct {
		source   sources.Source
		item, id string
		ok       bool
	}{
		{named, `7`, "of 7", true},
		{filled().Source(), `"a"`, "a", true},
		{filled().Source(), `""`, "", false},
		{filled().Source(), `null`, "", false},
		{filled().Source(), `7`, "", false},
	} {
		id, ok := Faulty(test.source, nil).(sources.Identifier).RecordID([]byte(test.item))
		if id != test.id || ok != test.ok {
			t.Errorf("%s names %q, %t, want %q, %t", test.item, id, ok, test.id, test.ok)
		}
	}
}

type stillPartition struct{ sources.Partition }

// goingPartition is gone at once.
type goingPartition struct{ sources.Partition }

func (goingPartition) OnRevoke(revoked, lost func()) {
	revoked()
	lost()
}
