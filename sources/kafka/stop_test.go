//go:build synctests

package kafka_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// A stop while the group waits for another member leaves the group at once: the request
// to join is not waited for (P11).
func TestStopWhileTheJoinIsPendingLeaves_P11(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.joinForGood("g")
		joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Count: -1, Observe: true})
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), sources.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		w.until("the member waits for the other one", func() bool {
			return joins.Hits() >= 2 && len(w.cluster.GroupInfo("g").Members) == 2
		})
		began := time.Now()
		if err := source.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		if n := len(w.cluster.GroupInfo("g").Members); n != 1 {
			t.Errorf("the group has %d members, want the other one", n)
		}
	})
}

// A commit that cannot succeed ends the wait at a stop: the topic is deleted, or the
// permission was withdrawn (P11).
func TestStopWhileCommitsCannotSucceed_P11(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world){
		"topic deleted": func(w *world) {
			if err := w.cluster.DeleteTopic(w.topic); err != nil {
				w.t.Fatal(err)
			}
		},
		"permission withdrawn": func(w *world) {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 5)
				source, err := kafka.New(w.options("g"))
				if err != nil {
					t.Fatal(err)
				}
				var seen errorsOf
				g := newGate()
				config := unwindowed
				config.DrainTimeout, config.Observer = patience, seen.observe
				cancel, ended := launch(t, source, esm.Records(g.hold), config)
				g.await(t)
				spoil(w)
				g.release()
				w.until("a commit failed", func() bool { return seen.has("OffsetCommit of orders-0") })
				began := time.Now()
				cancel()
				if err := <-ended; err != nil && !errors.Is(err, esm.ErrDrainTimeout) {
					t.Errorf("Run: %v", err)
				}
				if took := time.Since(began); took > patience/2 {
					t.Errorf("the stop took %v", took)
				}
			})
		})
	}
}

// A permission that comes back is waited for, while nobody stops.
func TestCommitPermissionThatComesBack_P9(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		denied := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		m := start(t, w.options("g"), unwindowed, nil)
		w.until("it was denied more than once", func() bool { return denied.Hits() >= 3 })
		denied.Remove()
		w.until("it is committed", func() bool { return w.committed("g")[0] == 5 })
		m.seen.wantOnce(t, 1, 5)
	})
}
