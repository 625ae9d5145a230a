package file

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// row is a lease as it is stored under the ID of its shard.
type row struct {
	Stream          string    `json:"stream,omitempty"`
	Owner           string    `json:"owner,omitempty"`
	CheckpointOwner string    `json:"checkpointOwner,omitempty"`
	Counter         int64     `json:"counter"`
	Sequence        string    `json:"sequence,omitempty"`
	SubSequence     int64     `json:"subSequence,omitempty"`
	Timestamp       time.Time `json:"timestamp,omitzero"`
	Parents         []string  `json:"parents,omitempty"`
	Children        []string  `json:"children,omitempty"`
	StartingHashKey string    `json:"startingHashKey,omitempty"`
	EndingHashKey   string    `json:"endingHashKey,omitempty"`
	Window          []byte    `json:"window,omitempty"`
}

func encode(l *checkpoint.Lease) ([]byte, error) {
	return json.Marshal(row{
		Stream: l.Stream, Owner: l.Owner, CheckpointOwner: l.CheckpointOwner, Counter: l.Counter,
		Sequence: l.Position.Sequence, SubSequence: l.Position.SubSequence, Timestamp: l.Position.Timestamp.UTC(),
		Parents: l.Parents, Children: l.Children,
		StartingHashKey: l.StartingHashKey, EndingHashKey: l.EndingHashKey, Window: l.Window,
	})
}

func decode(shard, value []byte) (checkpoint.Lease, error) {
	var r row
	if err := json.Unmarshal(value, &r); err != nil {
		return checkpoint.Lease{}, fmt.Errorf("%w: lease %q: %w", ErrDamaged, shard, err)
	}
	return checkpoint.Lease{
		Shard: string(shard), Stream: r.Stream, Owner: r.Owner, CheckpointOwner: r.CheckpointOwner, Counter: r.Counter,
		Position: checkpoint.Position{Sequence: r.Sequence, SubSequence: r.SubSequence, Timestamp: r.Timestamp},
		Parents:  r.Parents, Children: r.Children,
		StartingHashKey: r.StartingHashKey, EndingHashKey: r.EndingHashKey, Window: r.Window,
	}, nil
}
