package kinesis_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// Shard end (KIN-28, KIN-67, KIN-75).
func TestShardEnd(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"with its last records": false, "after them": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{LateEnd: late} }))
				w.send("k", "a", "b")
				children, err := w.Split(telemetry, firstShard)
				if err != nil {
					t.Fatal(err)
				}
				p := w.open(kinesis.Options{})
				all := p.want("a", "b")
				_, err = p.read(1, time.Minute)
				if !errors.Is(err, sources.ErrEnd) {
					t.Fatalf("got %v, want the end", err)
				}
				w.finish(all)
				err = p.Ack(t.Context(), all[:1])
				if err != nil {
					t.Fatal(err)
				}
				p.close()
				if l := w.lease(firstShard); l.Position.Ended() || l.Position.Sequence != all[0].ID {
					t.Errorf("position %+v: the last record is not settled (KIN-75)", l.Position)
				}
				p = w.open(kinesis.Options{})
				p.want("b")
				_, err = p.read(1, time.Minute)
				if !errors.Is(err, sources.ErrEnd) {
					t.Fatalf("got %v, want the end", err)
				}
				err = p.Ack(t.Context(), all[1:])
				if err != nil {
					t.Fatal(err)
				}
				p.close()
				l := w.lease(firstShard)
				if !l.Position.Ended() || !slices.Equal(l.Children, children) || l.Owner != "" {
					t.Errorf("lease %+v, want it ended with children %v", l, children)
				}
				for _, child := range children {
					if l := w.lease(child); l.Position.Sequence != checkpoint.TrimHorizon {
						t.Errorf("child at %+v, want TRIM_HORIZON (KIN-68)", l.Position)
					}
				}
			})
		})
	}
}

func TestStoredWindowHoldsTheEnd_KIN183(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a")
		_, err := w.Split(telemetry, firstShard)
		if err != nil {
			t.Fatal(err)
		}
		p := w.open(kinesis.Options{})
		all := p.want("a")
		w.finish(all)
		keeper, _ := p.Partition.(sources.WindowKeeper)
		err = keeper.AckWindow(t.Context(), all, []byte("state"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.read(1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Fatalf("got %v, want the end", err)
		}
		p.close()
		if l := w.lease(firstShard); l.Position.Ended() || string(l.Window) != "state" {
			t.Fatalf("lease %+v: its window is open", l)
		}
		p = w.open(kinesis.Options{})
		keeper, _ = p.Partition.(sources.WindowKeeper)
		if got := string(keeper.Window()); got != "state" {
			t.Errorf("window %q, want that which was stored", got)
		}
		_, err = p.read(1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Fatalf("got %v, want the end", err)
		}
		err = keeper.AckWindow(t.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		if l := w.lease(firstShard); !l.Position.Ended() || l.Window != nil {
			t.Errorf("lease %+v, want it ended", l)
		}
	})
}

// An Ack stores no window, and so ends the one that was stored before (KIN-172).
func TestAckStoresNoWindow(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a", "b")
		p := w.open(kinesis.Options{})
		all := p.want("a", "b")
		w.finish(all)
		keeper, _ := p.Partition.(sources.WindowKeeper)
		if err := keeper.AckWindow(t.Context(), all[:1], []byte("state")); err != nil {
			t.Fatal(err)
		}
		if l := w.lease(firstShard); string(l.Window) != "state" || l.Position.Sequence != all[0].ID {
			t.Errorf("lease %+v, want a window behind the first record", l)
		}
		if err := p.Ack(t.Context(), all[1:]); err != nil {
			t.Fatal(err)
		}
		p.close()
		if l := w.lease(firstShard); l.Window != nil || l.Position.Sequence != all[1].ID {
			t.Errorf("lease %+v, want no window behind the second record", l)
		}
	})
}

// Expired shard has ended (KIN-64, KIN-70, KIN-74).
func TestExpiredShardHasEnded(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a")
		p := w.open(kinesis.Options{})
		all := p.want("a")
		w.finish(all)
		err := p.Ack(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		children, err := w.Split(telemetry, firstShard)
		if err != nil {
			t.Fatal(err)
		}
		err = w.Expire(telemetry, firstShard)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.read(1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Fatalf("got %v, want the end", err)
		}
		p.close()
		w.send("", "b", "c", "d", "e")
		s := w.source(kinesis.Options{})
		err = s.Start(t.Context(), sources.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		var ids, bodies []string
		for range children {
			next, err := s.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, next.ID())
			p := &openPart{Partition: next, w: w, source: s}
			all, _ := p.read(4, 5*time.Second)
			bodies = append(bodies, bodiesOf(all)...)
			err = next.Close(t.Context())
			if err != nil {
				t.Error(err)
			}
		}
		slices.Sort(ids)
		slices.Sort(bodies)
		if !slices.Equal(ids, children) || !slices.Equal(bodies, []string{"b", "c", "d", "e"}) {
			t.Errorf("got shards %v with %v, want all of the children", ids, bodies)
		}
		err = s.Close(t.Context())
		if err != nil {
			t.Error(err)
		}
	})
}

func TestDeletedStreamEndsNoShard_KIN74(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a")
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		w.until(1, time.Minute)
		number := slices.Collect(maps.Keys(w.done))[0]
		_, err := w.Client().DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamARN: new(telemetry)})
		if err != nil {
			t.Fatal(err)
		}
		err = <-r.ended
		if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "Stream not found: "+telemetry) {
			t.Errorf("Run: %v, want that the stream was not found (KIN-15)", err)
		}
		if l := w.lease(firstShard); l.Position.Sequence != number {
			t.Errorf("position %+v, want that of the last record", l.Position)
		}
	})
}
