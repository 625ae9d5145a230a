package shard

import (
	"errors"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// TestTrimmedPosition has a stored position be refused as trimmed, at the iterator or at the
// first read: the shard goes on with the oldest record, and the loss is told once (DDB-24,
// DDB-25).
func TestTrimmedPosition(t *testing.T) {
	t.Parallel()
	for name, lenient := range map[string]bool{"iterator": false, "read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(1, 2, 3, 4, 5, 6)
			f.kept, f.lenient = 2, lenient
			inWorld(t, f, func(t *testing.T, w *world) {
				w.stored(2)
				w.begin()
				p := w.accept()
				got, losses, err := w.fetch(p, time.Minute)
				if ids(got) != "5 6 " || len(losses) != 1 || err != nil {
					t.Fatalf("%s, losses %v, error %v", ids(got), losses, err)
				}
				if l := losses[0]; l.Partition != only || l.After != "2" || l.First != "5" {
					t.Errorf("loss %+v", l)
				}
				if n := w.count("Iterator " + checkpoint.TrimHorizon); n != 1 {
					t.Errorf("%d iterators at the oldest record", n)
				}
				w.close(p)
			})
		})
	}
}

// TestTrimmedWhileRead has an iterator in use fall behind the oldest record (DDB-24).
func TestTrimmedWhileRead(t *testing.T) {
	t.Parallel()
	inWorld(t, newFeed(1, 2, 3, 4), func(t *testing.T, w *world) {
		w.begin()
		p := w.accept()
		n, err := p.Fetch(t.Context(), make([]sources.Record, 2), time.Second)
		if n != 2 || err != nil {
			t.Fatal(n, err)
		}
		w.change(func() { w.records, w.kept = append(w.records, 5, 6), 2 })
		got, losses, err := w.fetch(p, time.Minute)
		if ids(got) != "5 6 " || len(losses) != 1 || err != nil {
			t.Fatalf("%s, losses %v, error %v", ids(got), losses, err)
		}
		if l := losses[0]; l.After != "2" || l.First != "5" {
			t.Errorf("loss %+v", l)
		}
		w.close(p)
	})
}

// TestChildrenAreAskedFor ends a shard whose end names no children: they have leases before
// its own ends (DDB-27).
func TestChildrenAreAskedFor(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]string{"asked": "", "listed": "Children"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFeed(1)
			inWorld(t, f, func(t *testing.T, w *world) {
				w.begin()
				p := w.accept()
				w.change(func() {
					w.closed, w.children = true, []string{"shard-1", "shard-2"}
					w.stale = true // one that has children is closed, whatever a list says (DDB-29)
					w.fails[fail] = code("InternalServerError")
				})
				got, _, err := w.fetch(p, time.Minute)
				if ids(got) != "1 " || !errors.Is(err, sources.ErrEnd) {
					t.Fatal(ids(got), err)
				}
				err = p.Ack(t.Context(), got)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				w.close(p)
				w.change(func() { w.stale = false })
				if l := w.lease(only); !l.Position.Ended() || len(l.Children) != 2 {
					t.Errorf("lease %+v", l)
				}
				for range 2 {
					child := w.accept()
					if took := time.Since(began); took > time.Second {
						t.Errorf("%s was taken after %v", child.ID(), took)
					}
					defer w.close(child)
				}
			})
		})
	}
}

// TestNoIteratorIsNoEnd has answers without an iterator, of a shard that is open: they are
// asked for again, and nothing is lost or repeated (DDB-44).
func TestNoIteratorIsNoEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, newFeed(1, 2), func(t *testing.T, w *world) {
		w.begin()
		p := w.accept()
		w.change(func() { w.closed, w.stale = true, true })
		_, _, err := w.fetch(p, 10*time.Second)
		if err == nil || errors.Is(err, sources.ErrEnd) {
			t.Errorf("error %v", err)
		}
		w.change(func() { w.closed, w.stale, w.records = false, false, append(w.records, 3) })
		got, _, err := w.fetch(p, 10*time.Second)
		if ids(got) != "1 2 3 " || err != nil {
			t.Errorf("%s, error %v", ids(got), err)
		}
		w.close(p)
	})
}

// TestGoneShardHasEnded has a shard that is listed no more count as ended (DDB-26), and one
// that is listed be read on.
func TestGoneShardHasEnded(t *testing.T) {
	t.Parallel()
	inWorld(t, newFeed(1), func(t *testing.T, w *world) {
		w.begin()
		p := w.accept()
		w.change(func() { w.fails["Read"] = code("ResourceNotFoundException") })
		got, _, err := w.fetch(p, 10*time.Second)
		if len(got) > 0 || err == nil || errors.Is(err, sources.ErrEnd) {
			t.Errorf("%s, error %v", ids(got), err)
		}
		w.change(func() { delete(w.fails, "Read") })
		got, _, err = w.fetch(p, 10*time.Second)
		if ids(got) != "1 " || err != nil {
			t.Errorf("%s, error %v", ids(got), err)
		}
		w.close(p)
	})
}

// TestUndecodableRecord has a record that the client cannot decode: what lies before it is
// handed out, and the rest once it can be decoded.
func TestUndecodableRecord(t *testing.T) {
	t.Parallel()
	f := newFeed(1, 2, 3, 4)
	f.bad = 2
	inWorld(t, f, func(t *testing.T, w *world) {
		w.begin()
		p := w.accept()
		got, _, err := w.fetch(p, time.Minute)
		if ids(got) != "1 " || err == nil {
			t.Errorf("%s, error %v", ids(got), err)
		}
		w.change(func() { w.bad = 0 })
		got, _, _ = w.fetch(p, time.Minute)
		if ids(got) != "2 3 4 " {
			t.Errorf("%s", ids(got))
		}
		w.close(p)
	})
}
