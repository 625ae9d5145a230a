package sourcetest

import (
	"bytes"

	"github.com/openesm/openesm/sources"
)

func windowCases() []testCase {
	return []testCase{
		{
			"WindowKept", "AckWindow stores the window with the position, Ack none, and it is there after a restart",
			windowKept, windowing,
		},
	}
}

func windowing(k *kind) bool { return k.traits.TumblingWindow > 0 }

func windowKept(p *probe) {
	const count = 4
	r := p.open()
	defer func() { r.close() }()
	r.send(count)
	got := r.collect(count, defaultBatch)
	last := got[count-1]
	id := last.from.ID()
	window := []byte(`{"state":"kept"}`)
	r.ack(got[:count-1])
	keeperOf(r, id).acknowledge([]sources.Record{last.Record}, window)
	r = p.reopen(r)
	r.nothing("although AckWindow settled it before the restart")
	keeperOf(r, id).holds(window)

	// Without records the position stays.
	window = []byte(`{"state":"changed"}`)
	keeperOf(r, id).acknowledge(nil, window)
	r = p.reopen(r)
	r.nothing("although it was acked; AckWindow without records moves no position")
	keeperOf(r, id).holds(window)
	keeperOf(r, id).acknowledge(nil, nil)
	r = p.reopen(r)
	keeperOf(r, id).holds(nil)
}

// keeper is the window of a partition.
type keeper struct {
	sources.WindowKeeper

	p *probe
}

// keeperOf returns the keeper of the partition with an ID.
func keeperOf(r *reader, id string) keeper {
	for _, from := range r.parts {
		if from.ID() != id {
			continue
		}
		k, ok := from.Partition.(sources.WindowKeeper)
		if !ok {
			r.p.brokenf("partition %s is no WindowKeeper, though Traits has tumbling windows", id)
		}
		return keeper{k, r.p}
	}
	r.p.brokenf("partition %s does not come again", id)
	return keeper{}
}

func (k keeper) acknowledge(records []sources.Record, window []byte) {
	own := bytes.Clone(window)
	if err := k.AckWindow(k.p.ctx, records, own); err != nil {
		k.p.brokenf("AckWindow: %v, from a source without faults", err)
	}
	clear(own) // it belongs to the caller
}

func (k keeper) holds(want []byte) {
	if got := k.Window(); !bytes.Equal(got, want) {
		k.p.brokenf("Window: %q, stored was %q", got, want)
	}
}
