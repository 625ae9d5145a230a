package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
)

const (
	// readLimit is how long a GetRecords may take, which may bring 10 MiB.
	readLimit = 30 * time.Second
	// briefCall is how long a Fetch that is not to wait does so for a call.
	briefCall = time.Second
)

const (
	// longestInterval is how long a reader waits after a throttle, a fifth more or less.
	longestInterval = time.Second
	// turn is what a reader leaves to others at once, more than any of them waits.
	turn = longestInterval + longestInterval/4
)

// answer is what a reader brings at once.
type answer struct {
	records  []types.Record
	behind   time.Duration // how far from the newest record
	answered bool          // the service told how far
	opened   bool          // reading was begun anew at the partition's position
	ended    bool          // nothing comes after it
	children []types.ChildShard
}

// poller reads a shard by GetRecords, with the throughput that it shares with
// others. Calls are made by the source's pool, one at a time.
type poller struct {
	p    *partition
	life context.Context //nolint:containedctx // of the calls, which outlive the Fetch that starts them
	cut  context.CancelFunc

	calling bool        // a call is under way, or its result was not taken yet
	called  time.Time   // when it began
	results chan result // of the call

	// Of the call, and of others while there is none.
	iterator *string // nil if one must be asked for
	opened   bool    // it is of a position, and brought no answer yet
	earliest time.Time
	interval time.Duration // between calls while records are waiting
	owed     time.Duration // to other readers
	limit    int32         // of records of a call
	more     bool          // records are waiting
}

// result is what a call came to.
type result struct {
	answer answer
	err    error
}

func newPoller(p *partition) *poller {
	r := &poller{p: p, results: make(chan result, 1), interval: p.source.options.CallInterval, limit: maxRecords}
	r.life, r.cut = context.WithCancel(context.Background())
	return r
}

// close cuts a call off. What it brings is read again: nothing has moved.
func (r *poller) close() {
	r.cut()
	if r.calling {
		<-r.results
	}
}

// begin has a call made.
func (r *poller) begin() {
	r.calling, r.called = true, time.Now()
	if r.p.isOnEdge(r.called) {
		r.iterator = nil
	}
	r.p.source.calls.Do(func() {
		a, err := r.call(r.life)
		r.results <- result{a, err}
	})
}

// ahead begins the next call if it is time for it already, so that it is made while
// what the last one brought is served.
func (r *poller) ahead() {
	if !r.calling && r.more && !time.Now().Before(r.earliest) {
		r.begin()
	}
}

// next makes one GetRecords, when it is time for it (KIN-20..25). What a call brings
// that takes longer than wait is for the next.
func (r *poller) next(ctx context.Context, wait time.Duration) (answer, error) {
	until := time.Now().Add(wait)
	if !r.calling {
		pause := time.Until(r.earliest)
		if pause > wait {
			sleep(ctx, max(wait, 0))
			return answer{}, ctx.Err()
		}
		if !sleep(ctx, pause) {
			return answer{}, ctx.Err()
		}
		r.begin()
	}
	if wait <= 0 {
		until = r.called.Add(briefCall)
	}
	return r.result(ctx, time.Until(until))
}

// result waits for what the call came to.
func (r *poller) result(ctx context.Context, wait time.Duration) (answer, error) {
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
		return answer{}, ctx.Err()
	}
}

// call reads from the iterator, or from a new one if there is none or it has
// expired, as after long retries (KIN-41).
func (r *poller) call(ctx context.Context) (answer, error) {
	fresh := r.iterator == nil
	for {
		if r.iterator == nil {
			err := r.locate(ctx)
			if err != nil {
				return r.p.missing(ctx, err)
			}
		}
		began := time.Now()
		s := r.p.source
		out, err := awscall.Do(ctx, readLimit, s.client.GetRecords, &kinesis.GetRecordsInput{
			ShardIterator: r.iterator, StreamARN: &s.stream.arn, Limit: &r.limit,
		}, s.single...)
		if err == nil {
			return r.took(ctx, out, began)
		}
		switch awscall.Code(err) {
		case "ExpiredIteratorException":
			r.iterator = nil
			if !fresh {
				fresh = true
				continue
			}
		case "ProvisionedThroughputExceededException":
			r.throttled()
		}
		return r.p.missing(ctx, r.p.judge("GetRecords", err))
	}
}

// locate asks for an iterator at what was read last (KIN-43).
func (r *poller) locate(ctx context.Context) error {
	s, from := r.p.source, r.p.start()
	out, err := awscall.Do(ctx, awscall.Limit, s.client.GetShardIterator, &kinesis.GetShardIteratorInput{
		StreamARN: &s.stream.arn, ShardId: &r.p.id,
		ShardIteratorType: from.Type, StartingSequenceNumber: from.SequenceNumber, Timestamp: from.Timestamp,
	}, s.single...)
	if err != nil {
		return r.p.judge("GetShardIterator", err)
	}
	if aws.ToString(out.ShardIterator) == "" {
		return r.p.failed("GetShardIterator", errNoIterator)
	}
	s.grants.note("GetShardIterator")
	r.iterator, r.opened = out.ShardIterator, true
	return nil
}

// missing takes a shard that is not there any more for one that has ended (KIN-74), with
// nothing behind the position.
func (p *partition) missing(ctx context.Context, err error) (answer, error) {
	if p.isGone(ctx, err) {
		return answer{opened: true, ended: true}, nil
	}
	return answer{}, err
}

// isGone reports whether the shard is not there any more: the error of a call says so,
// and the list of shards too.
func (p *partition) isGone(ctx context.Context, err error) bool {
	if !isMissing(err) {
		return false
	}
	shards, err := p.source.list(ctx, time.Time{})
	if err != nil { // the stream itself is gone, or about to be
		return false
	}
	for _, shard := range shards {
		if shard.ID == p.id {
			return false
		}
	}
	p.source.options.Logger.Warn("shard is gone; taken for ended", "stream", p.source.stream.name, "shard", p.id)
	return true
}

// took makes an answer of what was read, or reads it again from a new iterator.
func (r *poller) took(ctx context.Context, out *kinesis.GetRecordsOutput, began time.Time) (answer, error) {
	a := answer{
		records: out.Records, answered: out.MillisBehindLatest != nil,
		behind: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond,
		opened: r.opened, ended: aws.ToString(out.NextShardIterator) == "",
	}
	err := checkRecords(out.Records)
	if err == nil && a.ended {
		a.children, err = r.p.confirmEnd(ctx, out.Records, out.ChildShards)
	}
	if err != nil {
		r.iterator = nil
		return answer{}, r.p.failed("GetRecords", err)
	}
	r.p.source.grants.note("GetRecords")
	r.iterator, r.opened = out.NextShardIterator, false
	r.more = a.behind > 0 && !a.ended
	r.schedule(&a, began)
	return a, nil
}

// schedule notes when to call next.
func (r *poller) schedule(a *answer, began time.Time) {
	options := &r.p.source.options
	pause := r.about(r.interval)
	if a.behind == 0 { // all was read; an empty answer alone says nothing (KIN-27)
		pause = options.IdleInterval
	} else {
		r.interval = max(options.CallInterval, r.interval-r.interval/4)
	}
	if spent := r.spent(a.records); spent > pause {
		pause = spent + r.turn(spent)
	}
	r.earliest = began.Add(pause)
}

// spent is how long the shard's bytes for its readers last after an answer (KIN-24,
// KIN-25). For the sake of others the next answer is to last for a second and not
// for five.
func (r *poller) spent(records []types.Record) time.Duration {
	options := &r.p.source.options
	if options.BytesPerSecond <= 0 || len(records) == 0 {
		return 0
	}
	bytes := 1 // at least
	for i := range records {
		bytes += len(records[i].Data) + len(aws.ToString(records[i].PartitionKey))
	}
	r.limit = int32(max(1, min(maxRecords, (options.BytesPerSecond*len(records)+bytes-1)/bytes)))
	return time.Duration(bytes) * time.Second / time.Duration(options.BytesPerSecond)
}

// turn is how long to stay away after an answer that spent the shard's bytes: not at
// all, until a tenth of the time makes up a pause in which everybody who was throttled
// calls at least once. One who always calls at the first moment would starve others,
// and a little pause each time would be met by chance only.
func (r *poller) turn(spent time.Duration) time.Duration {
	const part = 10
	r.owed += spent / part
	if r.owed < turn {
		return 0
	}
	r.owed -= turn
	return turn
}

// throttled leaves more of the shard's calls to others, for a while.
func (r *poller) throttled() {
	options := &r.p.source.options
	r.interval = max(min(2*max(r.interval, DefaultCallInterval), longestInterval), options.CallInterval)
	r.earliest = time.Now().Add(r.about(r.interval))
}

// about is d, give or take a fifth, so that readers of one shard do not move in step.
func (r *poller) about(d time.Duration) time.Duration {
	const part = 5
	return d - d/part + time.Duration(r.p.source.options.Jitter()*float64(d/part*2))
}
