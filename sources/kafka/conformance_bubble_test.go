//go:build synctests

package kafka_test

import (
	"testing"

	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/sourcetest"
)

// In virtual time. The build tag has the client's locks let a bubble's clock go on.
func TestConformanceInBubbles(t *testing.T) {
	t.Parallel()
	for _, v := range []variant{
		{"One", 1, func(*kafka.Options) {}},
		{"Several", 3, func(*kafka.Options) {}},
		{"ServerSide", 2, func(o *kafka.Options) { o.ServerSideAssignment = true }},
		{"Mixed", 3, func(o *kafka.Options) { o.MixPartitions = true }},
		{"MixedServerSide", 3, func(o *kafka.Options) { o.MixPartitions, o.ServerSideAssignment = true, true }},
		{"Static", 1, func(o *kafka.Options) { o.InstanceID = "only" }},
		{"ReadCommitted", 1, func(o *kafka.Options) { o.ReadCommitted = true }},
		{"Latest", 2, func(o *kafka.Options) { o.StartingPosition = kafka.Latest }},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			v.conform(t, sourcetest.RunInBubbles, newVirtualWorld)
		})
	}
}
