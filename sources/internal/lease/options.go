package lease

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Options of a Manager. The zero value, with a Start, will do.
type Options struct {
	// Worker names this worker among those of the stream; the default is a random
	// UUID. A worker that is started again under its name gets the leases that it
	// had at once. No two workers may bear one name at a time; if they do, they
	// take each other's leases, but never commit over each other.
	Worker string

	// Stream names the stream, as it is stored with its leases. A store that has leases
	// of another one is refused: their shards bear the same IDs. "" asks for nothing.
	Stream string

	// Duration is how long a lease is valid without being renewed, and so about
	// how long the shards of a worker that died stay unread; all workers of a
	// stream have the same. At least 100 ms, default 10 s. Leases are renewed
	// three times in it.
	Duration time.Duration

	// ListInterval is how often the shards are listed (KIN-76). Besides, they are
	// listed whenever a shard ends. At least a second, default a minute.
	ListInterval time.Duration

	// Start is where a stream without leases begins: TrimHorizon, Latest or
	// AtTimestamp. Leases that are there win over it (KIN-47).
	Start checkpoint.Position

	// Now is the moment that Latest stands for if this worker is the first to see the
	// stream (KIN-50); default when the manager is made, by the clock here. One that
	// the service takes for the future misses records.
	Now time.Time

	// Handover is how long a worker that is asked for a shard has to finish what it has
	// begun, before the shard is taken from it; all workers of a stream have the same.
	// Negative: it has no time, and is not asked. Default 30 s.
	Handover time.Duration

	// MaxLeases is the most shards that this worker reads; 0 for no limit.
	MaxLeases int

	// Logger is told of what an operator may want to know; default none.
	Logger *slog.Logger

	// Report is told of failures of the background: shards that cannot be listed,
	// leases that cannot be read, created, taken, renewed or deleted; of those that
	// Next returns it is not. Failed renewals, of which there may be as many as
	// leases, are told once a second together. It must not block, and may be called
	// concurrently. Default: they are told to Logger.
	Report func(err error)

	// Jitter returns random numbers from 0 up to but not including 1. It may be
	// called concurrently. Default math/rand.
	Jitter func() float64
}

// The least values of Options.
const (
	ShortestDuration = 100 * time.Millisecond
	ShortestList     = time.Second
)

// validate names every violation.
func (o Options) validate() error {
	var errs []error
	if o.Duration != 0 && o.Duration < ShortestDuration {
		errs = append(errs, fmt.Errorf("option Duration: %v; want %v or more", o.Duration, ShortestDuration))
	}
	if o.ListInterval != 0 && o.ListInterval < ShortestList {
		errs = append(errs, fmt.Errorf("option ListInterval: %v; want %v or more", o.ListInterval, ShortestList))
	}
	if o.MaxLeases < 0 {
		errs = append(errs, fmt.Errorf("option MaxLeases: %d; want 0 or more", o.MaxLeases))
	}
	switch o.Start.Sequence {
	case checkpoint.TrimHorizon, checkpoint.Latest:
	case checkpoint.AtTimestamp:
		if o.Start.Timestamp.IsZero() {
			errs = append(errs, errors.New("option Start: AT_TIMESTAMP without a timestamp"))
		}
	default:
		errs = append(errs, fmt.Errorf("option Start: %q; want TRIM_HORIZON, LATEST or AT_TIMESTAMP", o.Start.Sequence))
	}
	return errors.Join(errs...)
}

// withDefaults returns a copy, and the name under which this worker owns leases.
// A name that was given bears a mark of its own: else two processes could take
// each other's writes for their own ones whose answer was lost.
func (o Options) withDefaults() (options Options, owner string) {
	const (
		duration = 10 * time.Second
		interval = time.Minute
		handover = 30 * time.Second
	)
	if o.Duration == 0 {
		o.Duration = duration
	}
	if o.ListInterval == 0 {
		o.ListInterval = interval
	}
	if o.Handover == 0 {
		o.Handover = handover
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Report == nil {
		logger := o.Logger
		o.Report = func(err error) { logger.Warn("leases", "error", err) }
	}
	if o.Jitter == nil {
		o.Jitter = mathrand.Float64
	}
	id := uuid()
	if o.Worker == "" {
		return o, id
	}
	return o, o.Worker + mark + id
}

// mark stands between the name of a worker and what tells its runs apart.
const mark = "/"

// uuid returns a random UUID (version 4).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
