package simulation

import (
	"strings"
	"time"
)

// checkHaste holds a call against P9: what failed is not tried again at once. One
// wait may be short, for waits are jittered; many in a row are none.
func (o *Observer) checkHaste(label string) {
	const (
		quick = 20 * time.Millisecond // hardly more than a call takes
	)
	most := 8 // of calls with a back-off of 100 ms and more
	op, _, _ := strings.Cut(label, " ")
	key := label
	switch op {
	case "fetch":
		fields := strings.Fields(label)
		// Near the end of a window fetches are short.
		if wait, err := time.ParseDuration(fields[len(fields)-1]); err != nil || wait < time.Second {
			return
		}
		key = "fetch"
		if o.sim.kind.Ordered {
			key = o.fetching(fields[1])
		} else if o.lanes() > 1 {
			return // who knows which lane calls
		}
	case "accept":
	case "deliver":
		most = 4 // its back-off is longer
	case "ack":
		if o.duplicates {
			return // two lanes may settle one record
		}
	default:
		return
	}
	if last, again := o.attempts[key]; again {
		o.hurry(op, time.Since(last) < quick, most)
	}
	o.attempts[key] = time.Now()
}

// fetching is the key of the fetches of a partition.
func (o *Observer) fetching(partition string) string {
	if o.sim.kind.Ordered {
		return "fetch " + partition
	}
	return "fetch"
}

// hurry counts that something was tried again at once, or not.
func (o *Observer) hurry(what string, hasty bool, most int) {
	if !hasty {
		o.hasty[what] = 0
		return
	}
	if o.hasty[what]++; o.hasty[what] >= most {
		o.violate(9, "%s was tried again without a wait %d times in a row", what, most)
	}
}

// checkRest holds an invocation against P9: a batch that failed is not retried
// at once.
func (o *Observer) checkRest(i *invocation) {
	const (
		quick = 2 * time.Millisecond
		most  = 4
	)
	if len(i.items) == 0 {
		return
	}
	s := &o.sim.Scenario
	t := o.records[i.items[0].Number]
	initial := s.Config.RetryBackoff.Initial
	if t.retried.IsZero() || initial > 0 && initial < time.Second || o.duplicates {
		return
	}
	o.hurry("a failed batch", time.Since(t.retried) < quick, most)
}
