//go:build synctests

package kafka_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/openesm/openesm/sources/internal/simulation"
)

// TestSimulation simulates whole mappings from seeds (P1 to P16): one to three members of a
// group, each with the engine, this adapter and the real client, on a network that fails,
// against the embedded broker. Flags choose the seeds: -simulation.seeds,
// -simulation.first, -simulation.seed.
//
// What is legitimate: a member that the group has thrown out, because it was cut off or
// killed, does not know it until it is told. Until then its records may be handled by the
// next owner too. It must not commit any more. The committed offset of a partition never
// goes back, and never passes a record that nobody has finished, whoever commits it, and
// after whatever loss. Records that are deleted are lost, which some mapping must tell,
// unless it is killed. With Latest a partition whose offset is gone goes on at its end.
//
// What the embedded broker does otherwise than a real one: see control, keepAlive and sweep.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 10
	t.Log(simulation.Attack(t, simulated(), seeds, reachable()...))
}

// TestReplay plays seeds twice. Nearly all take a course that is alike, and most the same one to
// the byte. The others part where the client does two things at one instant, in an order that
// is not the seed's: which of two connections is dialed first, which of two requests on one is
// written first, whether a commit still gets into the one under way; and where the embedded
// broker draws the leader of a group.
func TestReplay(t *testing.T) {
	t.Parallel()
	const seeds, least, leastSame = 100, 95, 70
	same, alike := simulation.Replay(t, simulated(), seeds)
	t.Logf("%d of %d seeds take courses that are alike, %d the same one to the byte", alike, seeds, same)
	if alike < least || same < leastSame {
		t.Errorf("%d of %d seeds take courses that are alike, want %d; %d the same one to the byte, want %d", alike, seeds, least, same, leastSame)
	}
}

// reachable are the faults and the rare branches that the seeds must reach.
func reachable() []string {
	names := []string{
		"stop", "kill", "poison", "batch of several", "bisect", "later record done",
		"revoked", "revoked while handled", "kept too long", "lost", "ousted", "yielded",
		"delivered RetryAttemptsExhausted", "delivered RecordAgeExceeded", "delivered MaximumPayloadSizeExceeded",
		"aborted transaction", "record without a time", "start stored", "loss told", "denied for a minute",
		"start before", "start after", "start hung", "accept before", "accept after", "accept hung", "fetch before", "fetch after", "fetch hung",
		"ack before", "ack after", "ack hung", "close before", "close after", "deliver before", "deliver after", string(slowAnswer),
	}
	return slices.AppendSeq(names, maps.Keys(disturbances()))
}
