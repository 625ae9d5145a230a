package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
)

const only = "shard-0"

// feed is a stream of numbers as DynamoDB Streams would give it: the end of a shard names
// no children, and what is trimmed is refused.
type feed struct {
	number

	mu       sync.Mutex
	records  []int // of the only shard that has any
	kept     int   // of the records, from the end; negative for all
	lenient  bool  // an iterator for a trimmed record is given, and refused when it is read
	bad      int   // a record that cannot be decoded; 0 for none
	closed   bool  // the shard is
	stale    bool  // lists say that it is open
	children []string
	fails    map[string]error // by call
	calls    map[string]int
}

func newFeed(records ...int) *feed {
	return &feed{records: records, kept: -1, fails: make(map[string]error), calls: make(map[string]int)}
}

func code(code string) error { return &smithy.GenericAPIError{Code: code} }

type lossError struct{ Loss }

func (l *lossError) Error() string { return l.Text("feed") }

func (*feed) Traits() Traits {
	return Traits{
		Service: "feed", Needs: "permission", MaxRecords: 2, Trimmed: []string{"TrimmedDataAccessException"},
		Throttled: []string{"LimitExceededException"}, NewLoss: func(l Loss) error { return &lossError{l} },
	}
}

func (f *feed) NewDecoder(string) Decoder[int] { return f.number }

// call counts a call and returns what it fails with. f.mu is held.
func (f *feed) call(name string) error {
	f.calls[name]++
	return f.fails[name]
}

// change changes the stream.
func (f *feed) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *feed) family() []lease.Shard {
	var all []lease.Shard
	for _, id := range f.children {
		all = append(all, lease.Shard{ID: id, Parents: []string{only}, Open: true})
	}
	return all
}

func (f *feed) List(context.Context, time.Time) ([]lease.Shard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("List"); err != nil {
		return nil, err
	}
	return append(f.family(), lease.Shard{ID: only, Open: !f.closed || f.stale}), nil
}

func (f *feed) Children(context.Context, string) ([]lease.Shard, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.family(), f.call("Children")
}

// oldest is where the records begin that are kept.
func (f *feed) oldest() int {
	if f.kept < 0 {
		return 0
	}
	return len(f.records) - f.kept
}

func (f *feed) Iterator(_ context.Context, shard string, at checkpoint.Position) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("Iterator " + at.Sequence); err != nil {
		return "", err
	}
	if shard != only {
		return "0", nil
	}
	if at.Sequence == checkpoint.TrimHorizon {
		return strconv.Itoa(f.oldest()), nil
	}
	i := slices.IndexFunc(f.records, func(r int) bool { return strconv.Itoa(r) == at.Sequence })
	if i < f.oldest() && !f.lenient {
		return "", code("TrimmedDataAccessException")
	}
	return strconv.Itoa(i), nil
}

func (f *feed) Read(_ context.Context, iterator string, limit int) (Answer[int], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("Read"); err != nil {
		return Answer[int]{}, err
	}
	from, _ := strconv.Atoi(iterator)
	if from < f.oldest() {
		return Answer[int]{}, code("TrimmedDataAccessException")
	}
	until := min(from+limit, len(f.records))
	if slices.Contains(f.records[from:until], f.bad) {
		return Answer[int]{}, &smithy.DeserializationError{Err: errors.New("illegal base64 data")} //nolint:err113 // of a test
	}
	a := Answer[int]{Records: append([]int{}, f.records[from:until]...), Told: true, Next: strconv.Itoa(until)}
	if len(a.Records) > 0 {
		a.Behind = time.Second
	}
	if f.closed && until == len(f.records) {
		a.Next = ""
	}
	return a, nil
}

// world is a feed, a store, and a reader.
type world struct {
	*feed

	t      *testing.T
	store  *checkpoint.Memory
	stream *Stream[int]
}

func inWorld(t *testing.T, f *feed, run func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{feed: f, t: t, store: checkpoint.NewMemory()}
		w.stream = New(f, w.store, "numbers", "arn:numbers", Options{
			Start: checkpoint.Position{Sequence: checkpoint.TrimHorizon}, IdleInterval: time.Second, CallInterval: 250 * time.Millisecond,
			RestInterval: 250 * time.Millisecond, Jitter: func() float64 { return 0.5 },
		})
		run(t, w)
		err := w.stream.Close(context.Background())
		if err != nil {
			t.Error(err)
		}
	})
}

// stored has the shard be settled up to a record.
func (w *world) stored(record int) {
	err := w.store.Create(w.t.Context(), checkpoint.Lease{
		Shard: only, Stream: "arn:numbers", Counter: 1, Position: checkpoint.Position{Sequence: strconv.Itoa(record)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// begin starts the stream.
func (w *world) begin() {
	err := w.stream.Begin("arn:numbers", 0, sources.Settings{})
	if err != nil {
		w.t.Fatal(err)
	}
}

// accept returns the next shard.
func (w *world) accept() *Partition[int] {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	p, err := w.stream.Accept(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// close closes a partition.
func (w *world) close(p *Partition[int]) {
	err := p.Close(w.t.Context())
	if err != nil {
		w.t.Error(err)
	}
}

// fetch fetches for so long, and returns the records, and the errors as text.
func (w *world) fetch(p *Partition[int], d time.Duration) (got []sources.Record, losses []*lossError, last error) {
	buf := make([]sources.Record, 10)
	for until := time.Now().Add(d); time.Now().Before(until); {
		n, err := p.Fetch(w.t.Context(), buf, time.Until(until))
		got = append(got, buf[:n]...)
		if loss, ok := errors.AsType[*lossError](err); ok {
			losses, err = append(losses, loss), nil
		}
		if errors.Is(err, sources.ErrEnd) {
			return got, losses, err
		}
		if err != nil {
			last = err
			time.Sleep(time.Second)
		}
	}
	return got, losses, last
}

func ids(records []sources.Record) string {
	text := ""
	for _, r := range records {
		text += r.ID + " "
	}
	return text
}

func (w *world) lease(shard string) checkpoint.Lease {
	all, err := w.store.Leases(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range all {
		if l.Shard == shard {
			return l
		}
	}
	return checkpoint.Lease{}
}

// count is how often a call was made.
func (f *feed) count(format string, args ...any) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[fmt.Sprintf(format, args...)]
}
