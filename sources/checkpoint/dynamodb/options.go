package dynamodb

import (
	"fmt"
	"time"
)

// Options are the settings of a store. The zero value is right for most. Tags and
// DeletionProtection are for tables that [Store.CreateTable] makes; one that exists is
// left alone.
type Options struct {
	// PositionInterval is the least time between two writes of a shard's position, of
	// which each costs a write unit. A lease that is renewed, given back or ended takes
	// the position with it, so that a clean stop loses none; what was not written when
	// the process was killed is handled again. Leases are renewed three times in a
	// LeaseDuration, so that an interval above a third of that, 3.3 s by default, is as
	// good as that third. Default a second, up to a minute; negative for a write with every
	// batch.
	PositionInterval time.Duration

	// Tags are the table's tags. Default none.
	Tags map[string]string

	// DeletionProtection has the service refuse to delete the table. Default
	// false.
	DeletionProtection bool
}

// maxInterval is the longest PositionInterval.
const maxInterval = time.Minute

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.PositionInterval > maxInterval:
		return o, fmt.Errorf("option PositionInterval: %v; want %v or less", o.PositionInterval, maxInterval)
	case o.PositionInterval == 0:
		o.PositionInterval = time.Second
	case o.PositionInterval < 0:
		o.PositionInterval = 0
	}
	return o, nil
}
