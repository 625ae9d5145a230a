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

// How many calls for tens of records are made at a time.
const (
	fewCalls  = 8
	manyCalls = 64 // of beats, which must not wait for each other
)

// inTens calls do for each ten of records and returns once all calls did: one
// ten by the caller itself, several by some goroutines.
func inTens(records []sources.Record, calls int, do func(ten []sources.Record)) {
	if len(records) == 0 {
		return
	}
	tens := (len(records) + maxEntries - 1) / maxEntries
	if tens == 1 {
		do(records)
		return
	}
	var (
		next    atomic.Int64
		workers sync.WaitGroup
	)
	for range min(tens, calls) {
		workers.Go(func() {
			for {
				from := (int(next.Add(1)) - 1) * maxEntries
				if from >= len(records) {
					return
				}
				do(records[from:min(from+maxEntries, len(records))])
			}
		})
	}
	workers.Wait()
}
