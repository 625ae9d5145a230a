package lease

import (
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
)

// TestFormerNames has workers whose names begin alike.
func TestFormerNames(t *testing.T) {
	t.Parallel()
	m := &Manager{options: Options{Worker: "a"}}
	m.recognise([]checkpoint.Lease{
		{Shard: "1", Owner: "a/one"}, {Shard: "2", Owner: "a/b/two"}, {Shard: "3", Owner: "ab/three"}, {Shard: "4", Owner: "a"}, {Shard: "5"},
	})
	if len(m.former) != 1 || !m.former["a/one"] {
		t.Errorf("former names %v, want a/one", m.former)
	}
}
