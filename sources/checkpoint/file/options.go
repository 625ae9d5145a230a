package file

import (
	"fmt"
	"time"
)

// Options are the settings of a store. The zero value is right for most.
type Options struct {
	// Wait is how long Open waits for another store that has the file, as that of a
	// process that is about to end; up to an hour, default a second.
	Wait time.Duration
}

func (o Options) withDefaults() (Options, error) {
	if o.Wait < 0 || o.Wait > time.Hour {
		return o, fmt.Errorf("option Wait: %v; want 0 to 1h", o.Wait)
	}
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	return o, nil
}
