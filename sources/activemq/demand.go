package activemq

import (
	"cmp"

	"github.com/openesm/openesm/sources"
)

// demand says for how many messages the broker is asked. Credit counts messages, and the
// protocol has none for bytes: so it is the less the larger messages are.
type demand struct {
	batch int // bytes of the largest batch
	bytes int // that may be held
	ahead int // how many messages may wait for their group
	large int // bytes of the largest messages lately
}

const (
	// firstLarge is what a message is taken to have before one was seen.
	firstLarge = 64 << 10
	// usualBatch is the largest batch in bytes, where nobody says.
	usualBatch = 6 << 20
	// batchesAhead is how many batches of messages may wait for their group.
	batchesAhead, leastAhead = 4, 200
)

func newDemand(s sources.Settings, bytes int) demand {
	return demand{
		batch: cmp.Or(s.BatchBytes, usualBatch), bytes: bytes, ahead: max(batchesAhead*s.BatchSize, leastAhead), large: firstLarge,
	}
}

// saw learns from the size of a message. A large one is forgotten slowly.
func (d *demand) saw(size int) {
	const memory = 64
	d.large = max(size, d.large-(d.large-size)/memory, 1)
}

// share is how many messages one Fetch is asked for: what it has places for, and no more
// than fill a batch.
func (d *demand) share(places int) int { return min(places, max(d.batch/d.large, 1)) }

// room is how many messages the broker may be asked for in all. What is buffered while
// somebody waits is of groups that are held up.
func (d *demand) room(s *buffer) int {
	left := d.bytes - s.bytes - s.held*recordBytes
	most := min(d.ahead-len(s.messages), left/(d.large+recordBytes))
	if s.held == 0 {
		most = max(most, 1) // a single one may exceed the bound
	}
	return most
}
