//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// byName are brokers that take commits by the names of topics only.
func byName() kfake.Opt { return kfake.MaxVersions(kversion.V3_9_0()) }

// remake deletes the topic and makes it anew, with another client for what is sent.
func (w *world) remake(away time.Duration) {
	w.t.Helper()
	if err := w.cluster.DeleteTopic(w.topic); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(away)
	w.admit(w.topic, w.partitions)
	w.client.PurgeTopicsFromClient(w.topic)
}

// wantNew checks that the records 1000..1000+n-1 were handled in order, once.
func wantNew(t *testing.T, got []string, n int) {
	t.Helper()
	got = slices.DeleteFunc(got, func(v string) bool { return len(v) < len("1000") })
	for i := range n {
		if i >= len(got) || got[i] != strconv.Itoa(1000+i) {
			t.Errorf("%d of %d new records were handled in order, %d in all", i, n, len(got))
			return
		}
	}
	if len(got) != n {
		t.Errorf("%d new records were handled, want %d", len(got), n)
	}
}

// A topic that is deleted and made anew while the mapping runs is read again, from its
// beginning (P9).
func TestTopicMadeAnewIsReadInBubbles(t *testing.T) {
	t.Parallel()
	for name, vary := range variants {
		for _, away := range []time.Duration{0, 500 * time.Millisecond, 10 * time.Second} {
			t.Run(fmt.Sprint(name, " ", away), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { madeAnewIsRead(t, vary, away) })
			})
		}
	}
}

func madeAnewIsRead(t *testing.T, vary func(*kafka.Options), away time.Duration) {
	t.Helper()
	const n = 5
	w := newVirtualWorld(t, 2)
	options := w.plain()
	vary(&options)
	m := start(t, options, unwindowed, nil)
	time.Sleep(time.Minute) // it has begun, at Latest too
	w.send(0, 0, n)
	w.send(1, 0, n)
	m.seen.later(t, 2*n, time.Minute)
	w.remake(away)
	for p := range 2 {
		w.send(p, 1000, 1000+n)
	}
	m.seen.later(t, 4*n, time.Minute)
	time.Sleep(time.Minute)
	if err := m.stop(); err != nil {
		t.Error(err)
	}
	for p := range 2 {
		wantNew(t, m.seen.of(fmt.Sprint("orders-", p)), n)
		if at := w.committed("g")[int32(p)]; at != n {
			t.Errorf("committed %d of partition %d, want %d", at, p, n)
		}
	}
}

// What is committed of a topic that was deleted while its records were handled is not taken
// for a place in the one that is made anew (P1).
func TestOldBatchDoesNotPassTheNewTopicInBubbles(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		for _, away := range []time.Duration{0, time.Second, 4 * time.Second, 10 * time.Second, time.Minute} {
			for _, n := range []int{30, 200} {
				t.Run(fmt.Sprint("mixed=", mixed, " ", away, " ", n), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { oldBatch(t, mixed, away, n) })
				})
			}
		}
	}
}

func oldBatch(t *testing.T, mixed bool, away time.Duration, n int) {
	t.Helper()
	w := newVirtualWorld(t, 1, byName())
	options := w.plain()
	options.MixPartitions = mixed
	source, err := kafka.New(options)
	if err != nil {
		t.Fatal(err)
	}
	begun, handled := make(chan struct{}, 1000), newLedger()
	cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
		begun <- struct{}{}
		time.Sleep(3 * time.Second)
		return handled.handle(ctx, batch)
	}), esm.Config{})
	w.send(0, 0, 100)
	<-begun
	w.remake(away)
	w.send(0, 1000, 1000+n)
	time.Sleep(2 * time.Minute)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	wantNew(t, handled.of("orders-0"), n)
	if at := w.committed("g")[0]; at != int64(n) {
		t.Errorf("committed %d, want %d", at, n)
	}
}

// A commit of the topic that was there before, which came to the brokers late, is not taken
// for a place in the new one by a member that never read the old one (P1).
func TestLateCommitIsNotTakenByOthersInBubbles(t *testing.T) {
	t.Parallel()
	for name, vary := range variants {
		for _, n := range []int{30, 200} {
			t.Run(fmt.Sprint(name, " ", n), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { lateCommit(t, vary, n) })
			})
		}
	}
}

func lateCommit(t *testing.T, vary func(*kafka.Options), n int) {
	t.Helper()
	w := newVirtualWorld(t, 1)
	options := w.plain()
	vary(&options)
	w.send(0, 0, 100)
	w.commit(0, 50)
	first := start(t, options, unwindowed, nil)
	first.seen.later(t, 50, time.Minute)
	time.Sleep(time.Minute)
	if err := first.stop(); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Minute) // a static member is forgotten
	late, err := w.admin.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	w.remake(time.Second)
	w.send(0, 1000, 1000+n)
	for _, topic := range late { // by the topic's name
		for p, o := range topic {
			o.TopicID = kadm.TopicID{}
			topic[p] = o
		}
	}
	answers, err := w.admin.CommitOffsets(t.Context(), "g", late.Offsets())
	if err := errors.Join(err, answers.Error()); err != nil {
		t.Fatal(err)
	}
	if at := w.committed("g")[0]; at != 100 {
		t.Fatalf("the late commit is %d, want 100", at)
	}
	second := start(t, options, unwindowed, nil)
	second.seen.later(t, n, 2*time.Minute)
	time.Sleep(time.Minute)
	if err := second.stop(); err != nil {
		t.Error(err)
	}
	wantNew(t, second.seen.of("orders-0"), n)
	if at := w.committed("g")[0]; at != int64(n) {
		t.Errorf("committed %d, want %d", at, n)
	}
}

// Of two members each learns by itself that the topic was made anew: between them all of the
// new one is handled (P1).
func TestTwoMembersOfATopicMadeAnewInBubbles(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{0, 4 * time.Second, 10 * time.Second} {
		t.Run(away.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2, byName())
				handled := newLedger()
				slow := func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
					time.Sleep(3 * time.Second)
					return handled.handle(ctx, batch)
				}
				members := []*member{start(t, w.plain(), unwindowed, slow), start(t, w.plain(), unwindowed, slow)}
				time.Sleep(time.Minute)
				w.send(0, 0, 100)
				w.send(1, 0, 100)
				time.Sleep(2 * time.Second)
				w.remake(away)
				w.send(0, 1000, 1030)
				w.send(1, 1000, 1030)
				time.Sleep(3 * time.Minute)
				for _, m := range members {
					if err := m.stop(); err != nil {
						t.Error(err)
					}
				}
				for p := range 2 {
					got := handled.of(fmt.Sprint("orders-", p))
					for i := range 30 {
						if !slices.Contains(got, strconv.Itoa(1000+i)) {
							t.Errorf("partition %d: %d was not handled", p, 1000+i)
						}
					}
					if at := w.committed("g")[int32(p)]; at != 30 {
						t.Errorf("committed %d of partition %d, want 30", at, p)
					}
				}
			})
		})
	}
}
