package shard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
)

// The operations of a Poller, as errors and permissions call them.
const (
	readOperation   = "GetRecords"
	locateOperation = "GetShardIterator"
)

const (
	// briefCall is how long a Fetch that is not to wait does so for a call.
	briefCall = time.Second
	// maxInterval is how long a reader waits after a throttle, a fifth more or less.
	maxInterval = time.Second
	// yieldTime is what a reader leaves to others at once, more than any of them waits.
	yieldTime = maxInterval + maxInterval/4
)

// Poller reads a shard by iterators, with the throughput that it shares with others.
// Calls are made by the stream's pool, one at a time.
type Poller[R any] struct {
	p    *Partition[R]
	life context.Context //nolint:containedctx // of the calls, which outlive the Fetch that starts them
	cut  context.CancelFunc

	calling bool           // a call is under way, or its result was not taken yet
	called  time.Time      // when it began
	results chan result[R] // of the call

	// Of the call, and of others while there is none.
	iterator string // "" if one must be asked for
	opened   bool   // it is of a position, and brought no answer yet
	trimmed  bool   // that position is not kept any more; reading goes on at the oldest record
	earliest time.Time
	interval time.Duration // between calls while records are waiting
	owed     time.Duration // to other readers
	limit    int           // of records of a call
	more     bool          // records are waiting
}

// result is what a call came to.
type result[R any] struct {
	answer Answer[R]
	err    error
}

func newPoller[R any](p *Partition[R]) *Poller[R] {
	s := p.stream
	r := &Poller[R]{p: p, results: make(chan result[R], 1), interval: s.options.CallInterval, limit: s.traits.MaxRecords}
	r.life, r.cut = context.WithCancel(context.Background()) //nolint:gosec // Close calls it
	return r
}

// Close cuts a call off. What it brings is read again: nothing has moved.
func (r *Poller[R]) Close() {
	r.cut()
	if r.calling {
		<-r.results
	}
}

// begin has a call made.
func (r *Poller[R]) begin() {
	r.calling, r.called = true, time.Now()
	if r.p.OnEdge(r.called) {
		r.iterator = ""
	}
	r.p.stream.Do(func() {
		a, err := r.call(r.life)
		r.results <- result[R]{a, err}
	})
}

// Ahead begins the next call if it is time for it already, so that it is made while
// what the last one brought is served.
func (r *Poller[R]) Ahead() {
	if !r.calling && r.more && !time.Now().Before(r.earliest) {
		r.begin()
	}
}

// Next makes one call, when it is time for it (KIN-20..25). What a call brings that
// takes longer than wait is for the next.
func (r *Poller[R]) Next(ctx context.Context, wait time.Duration) (Answer[R], error) {
	until := time.Now().Add(wait)
	if !r.calling {
		pause := time.Until(r.earliest)
		if pause > wait {
			Sleep(ctx, max(wait, 0))
			return Answer[R]{}, ctx.Err()
		}
		if !Sleep(ctx, pause) {
			return Answer[R]{}, ctx.Err()
		}
		r.begin()
	}
	if wait <= 0 {
		until = r.called.Add(briefCall)
	}
	return r.result(ctx, time.Until(until))
}

// result waits for what the call came to.
func (r *Poller[R]) result(ctx context.Context, wait time.Duration) (Answer[R], error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case got := <-r.results:
		r.calling = false
		return got.answer, got.err
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case got := <-r.results: // it came at the same time, or before
		r.calling = false
		return got.answer, got.err
	default:
		return Answer[R]{}, ctx.Err()
	}
}

// call reads from the iterator, or from a new one if there is none, or if it has expired,
// as after long retries (KIN-41), or lies before what is kept (DDB-24).
func (r *Poller[R]) call(ctx context.Context) (Answer[R], error) {
	fresh := r.iterator == ""
	for {
		if r.iterator == "" {
			err := r.locate(ctx)
			if err != nil {
				return r.missing(ctx, locateOperation, err)
			}
		}
		began := time.Now()
		a, err := r.p.stream.service.Read(ctx, r.iterator, r.limit)
		if err == nil {
			return r.took(ctx, a, began)
		}
		traits, code, again := &r.p.stream.traits, awscall.Code(err), false
		switch {
		case code == "ExpiredIteratorException":
			r.iterator, again = "", !fresh
			fresh = true
		case slices.Contains(traits.Trimmed, code):
			again = !r.trimmed
			r.iterator, r.trimmed = "", true
		case slices.Contains(traits.Throttled, code):
			r.throttled()
		case isUndecodable(err): // so that one record does not hold up all before it
			r.limit = max(1, r.limit/2)
		}
		if !again {
			return r.missing(ctx, readOperation, err)
		}
	}
}

// isUndecodable tells that an answer came, and could not be read.
func isUndecodable(err error) bool {
	_, ok := errors.AsType[*smithy.DeserializationError](err)
	return ok
}

// locate asks for an iterator at what was read last (KIN-43), or at the oldest record if
// that is not kept any more (DDB-25).
func (r *Poller[R]) locate(ctx context.Context) error {
	s := r.p.stream
	for {
		from := r.p.From()
		if r.trimmed {
			from = checkpoint.Position{Sequence: checkpoint.TrimHorizon}
		}
		iterator, err := s.service.Iterator(ctx, r.p.id, from)
		if err == nil && iterator == "" {
			err = errNoIterator
		}
		if err == nil {
			s.Allowed(locateOperation)
			r.iterator, r.opened = iterator, true
			return nil
		}
		if r.trimmed || !slices.Contains(s.traits.Trimmed, awscall.Code(err)) {
			return err
		}
		r.trimmed = true
	}
}

// missing takes a shard that is not there any more for one that has ended (KIN-74), with
// nothing behind the position. Other errors it returns as they are to be told.
func (r *Poller[R]) missing(ctx context.Context, operation string, err error) (Answer[R], error) {
	failed := r.p.Failed(operation, "", err)
	if r.p.Gone(ctx, err) {
		return Answer[R]{Opened: true, Ended: true}, nil
	}
	return Answer[R]{}, failed
}

// took makes an answer of what was read, or reads it again from a new iterator.
func (r *Poller[R]) took(ctx context.Context, a Answer[R], began time.Time) (Answer[R], error) {
	a.Opened, a.Trimmed, a.Ended = r.opened, r.trimmed, a.Next == ""
	if a.Records != nil { // the service answered, whatever else is made of it
		r.p.stream.Allowed(readOperation)
	}
	err := r.p.Check(ctx, &a)
	if err != nil {
		r.iterator = ""
		return Answer[R]{}, r.p.Failed(readOperation, "", err)
	}
	r.iterator, r.opened, r.trimmed = a.Next, false, false
	r.more = a.Behind > 0 && !a.Ended
	r.limit = min(2*r.limit, r.p.stream.traits.MaxRecords)
	r.schedule(&a, began)
	return a, nil
}

// schedule notes when to call next.
func (r *Poller[R]) schedule(a *Answer[R], began time.Time) {
	options := &r.p.stream.options
	pause := r.about(r.interval)
	if a.Behind == 0 { // all was read; an empty answer alone says nothing (KIN-27)
		pause = options.IdleInterval
	} else {
		r.interval = max(options.CallInterval, r.interval-r.interval/4)
	}
	if spent := r.spent(a.Records); spent > pause {
		pause = spent + r.yield(spent)
	}
	r.earliest = began.Add(pause)
}

// spent is how long the shard's bytes for its readers last after an answer (KIN-24,
// KIN-25). For the sake of others the next answer is to last for a second and not
// for five.
func (r *Poller[R]) spent(records []R) time.Duration {
	s := r.p.stream
	rate := s.options.BytesPerSecond
	if rate <= 0 || len(records) == 0 {
		return 0
	}
	bytes := 1 // at least
	for i := range records {
		bytes += s.service.Size(&records[i])
	}
	r.limit = max(1, min(s.traits.MaxRecords, (rate*len(records)+bytes-1)/bytes))
	return time.Duration(bytes) * time.Second / time.Duration(rate)
}

// yield is how long to stay away after an answer that spent the shard's bytes: not at
// all, until a tenth of the time makes up a pause in which everybody who was throttled
// calls at least once. One who always calls at the first moment would starve others,
// and a little pause each time would be met by chance only.
func (r *Poller[R]) yield(spent time.Duration) time.Duration {
	const part = 10
	r.owed += spent / part
	if r.owed < yieldTime {
		return 0
	}
	r.owed -= yieldTime
	return yieldTime
}

// throttled leaves more of the shard's calls to others, for a while.
func (r *Poller[R]) throttled() {
	options := &r.p.stream.options
	r.interval = max(min(2*max(r.interval, options.RestInterval), maxInterval), options.CallInterval)
	r.earliest = time.Now().Add(r.about(r.interval))
}

// about is d, give or take a fifth, so that readers of one shard do not move in step.
func (r *Poller[R]) about(d time.Duration) time.Duration {
	const part = 5
	return d - d/part + time.Duration(r.p.stream.options.Jitter()*float64(d/part*2))
}
