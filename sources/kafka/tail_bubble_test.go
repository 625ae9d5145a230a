//go:build synctests

package kafka_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
)

// Where brokers have not even a batch up to the end, that is passed after some minutes if
// the topic is a compacted one; else it is waited for (KAF-69, KAF-170).
func TestPositionPassesABareEndInBubbles(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int64{"compact": 10, "compact,delete": 10, "delete": 5} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 5)
				w.send(0, 5, 10)
				asked := w.compactAway(5, 10, nil)
				options := w.plain()
				options.ClientOptions = append(options.ClientOptions, kgo.DisableFetchSessions())
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				handled := newLedger()
				cancel, ended := launch(t, source, esm.Records(handled.handle), esm.Config{})
				time.Sleep(time.Minute)
				w.configure("cleanup.policy", policy)
				time.Sleep(3 * time.Minute)
				if at := w.committed("g")[0]; at != 5 || asked.Load() == 0 {
					t.Errorf("committed %d after %d requests", at, asked.Load())
				}
				time.Sleep(8 * time.Minute)
				if at := w.committed("g")[0]; at != want {
					t.Errorf("committed %d, want %d", at, want)
				}
				if lag, known := lagOf(source, "orders-0"); !known || lag != int(10-want) {
					t.Errorf("lag %d", lag)
				}
				w.send(0, 10, 13)
				time.Sleep(10 * time.Second)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if got := handled.of("orders-0"); !slices.Equal(got[5:], []string{"10", "11", "12"}) {
					t.Errorf("handled %v", got)
				}
			})
		})
	}
}
