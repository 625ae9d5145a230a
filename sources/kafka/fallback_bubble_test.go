//go:build synctests

package kafka_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// With brokers that do not assign the partitions a static member that stops asks them for
// nothing of the protocol in which they would, and comes back (P9).
func TestStaticMemberOfOldBrokersComesBackInBubbles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1, byName())
		heartbeats := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, TopLevel: true, Count: -1, Observe: true})
		options := w.plain()
		options.ServerSideAssignment, options.InstanceID = true, "one"
		for life := range 3 {
			w.send(0, 5*life, 5*life+5)
			m := start(t, options, unwindowed, nil)
			m.seen.later(t, 5, time.Minute)
			if err := m.stop(); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute) // the group has forgotten it
		}
		if n := heartbeats.Hits(); n > 0 {
			t.Errorf("%d heartbeats of the other protocol", n)
		}
	})
}
