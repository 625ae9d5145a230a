package sqs

import (
	"sync"
	"sync/atomic"

	"github.com/openesm/openesm/sources"
)

// ids are the entry ids of one call: an entry's place.
const ids = "0123456789"

// entryID is the id of the entry at place i.
func entryID(i int) string { return ids[i : i+1] }

// place is the entry that an id names, -1 for none of n.
func place(id *string, n int) int {
	if id == nil || len(*id) != 1 {
		return -1
	}

	i := int((*id)[0]) - '0'
	if i < 0 || i >= n {
		return -1
	}

	return i
}

// inTens calls do for each ten of records and returns once all calls did: one
// ten by the caller itself, several by some goroutines.
func inTens(records []sources.Record, do func(ten []sources.Record)) {
	const most = 8 // calls at a time

	tens := (len(records) + mostEntries - 1) / mostEntries
	if tens == 1 {
		do(records)

		return
	}

	var (
		next    atomic.Int64
		workers sync.WaitGroup
	)

	for range min(tens, most) {
		workers.Go(func() {
			for {
				from := (int(next.Add(1)) - 1) * mostEntries
				if from >= len(records) {
					return
				}

				do(records[from:min(from+mostEntries, len(records))])
			}
		})
	}

	workers.Wait()
}
