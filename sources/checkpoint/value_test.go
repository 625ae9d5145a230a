package checkpoint_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/openesm/openesm/sources/checkpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func lease() checkpoint.Lease {
	return checkpoint.Lease{
		Shard: "a", Owner: "w", Counter: 1,
		Position: checkpoint.Position{Sequence: "5", SubSequence: 2, Timestamp: time.Unix(7, 9)},
		Parents:  []string{"p", "q"}, Children: []string{"c"},
		StartingHashKey: "0", EndingHashKey: "9", Window: []byte("w"),
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	changes := map[string]func(l *checkpoint.Lease){
		"Shard":           func(l *checkpoint.Lease) { l.Shard = "b" },
		"Stream":          func(l *checkpoint.Lease) { l.Stream = "s" },
		"Owner":           func(l *checkpoint.Lease) { l.Owner = "" },
		"CheckpointOwner": func(l *checkpoint.Lease) { l.CheckpointOwner = "x" },
		"Counter":         func(l *checkpoint.Lease) { l.Counter++ },
		"Sequence":        func(l *checkpoint.Lease) { l.Position.Sequence = "6" },
		"SubSequence":     func(l *checkpoint.Lease) { l.Position.SubSequence++ },
		"Timestamp":       func(l *checkpoint.Lease) { l.Position.Timestamp = l.Position.Timestamp.Add(1) },
		"Parents":         func(l *checkpoint.Lease) { l.Parents = []string{"p", "r"} },
		"FewerParents":    func(l *checkpoint.Lease) { l.Parents = []string{"p"} },
		"ParentTwice":     func(l *checkpoint.Lease) { l.Parents = []string{"p", "p"} },
		"Children":        func(l *checkpoint.Lease) { l.Children = nil },
		"StartingHashKey": func(l *checkpoint.Lease) { l.StartingHashKey = "" },
		"EndingHashKey":   func(l *checkpoint.Lease) { l.EndingHashKey = "8" },
		"Window":          func(l *checkpoint.Lease) { l.Window = nil },
	}
	for name, change := range changes {
		other := lease()
		change(&other)
		if lease().Equal(other) || other.Equal(lease()) {
			t.Errorf("%s: a difference is not seen", name)
		}
	}
	same := lease()
	same.Parents = []string{"q", "p"}
	same.Position.Timestamp = same.Position.Timestamp.In(time.FixedZone("X", 60))
	if !lease().Equal(same) || !lease().Equal(lease().Clone()) {
		t.Error("the order of parents, the zone of a time, or a clone are a difference")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	far := lease()
	far.Position.Timestamp = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	other := lease()
	other.Shard = "b"
	for name, err := range map[string]error{
		"no shard":      checkpoint.Lease{}.Check(),
		"far time":      far.Check(),
		"another shard": lease().CheckNext(other),
		"bad next":      lease().CheckNext(far),
	} {
		if err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	if err := lease().CheckNext(lease()); err != nil {
		t.Error(err)
	}
}
