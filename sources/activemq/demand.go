package activemq

import (
	"cmp"

	"github.com/openesm/openesm/sources"
)

// demand says for how many messages the broker is asked. Credit counts messages, and the
// protocol has none for bytes: so it is the less the larger messages are.
type demand struct {
	batch int // bytes of the largest batch
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

func newDemand(s sources.Settings) demand {
	return demand{batch: cmp.Or(s.BatchBytes, usualBatch), ahead: max(batchesAhead*s.BatchSize, leastAhead), large: firstLarge}
}

// saw learns from the size of a message. A large one is forgotten slowly.
func (d *demand) saw(size int) {
	const memory = 64
	d.large = max(size, d.large-(d.large-size)/memory, 1)
}

// share is how many messages one Fetch is asked for: what it has places for, and no more
// than fill a batch.
func (d *demand) share(places int) int { return min(places, max(d.batch/d.large, 1)) }

// room is how many messages to ask for in addition, if there are so many places. What is
// in stock while somebody waits is of groups that are held up.
func (d *demand) room(places, asked int, s *stock) int {
	held := len(s.messages)
	most := min(d.ahead-held, (batchesAhead*d.batch-s.bytes)/d.large)
	if held == 0 {
		most = max(most, 1)
	}
	return min(places, most) - asked
}
