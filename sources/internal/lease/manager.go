package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// Manager takes, renews and hands out leases. Its methods may be called
// concurrently. It owns its goroutines; Close ends them.
type Manager struct {
	store     checkpoint.Store
	list      Lister
	options   Options
	owner     string
	exclusive bool
	pace      time.Duration // between two positions of a shard, if the store wants it
	pin       time.Time     // Options.Now, if it saw the stream without leases; of discover alone

	stop    chan struct{}   // closed by Close
	reading context.Context //nolint:containedctx // of listing shards and reading leases; done by then
	working context.Context //nolint:containedctx // of writes; done when Close must not wait longer
	unread  context.CancelFunc
	unwork  context.CancelFunc
	loops   sync.WaitGroup // all but the keeper
	keeping sync.WaitGroup // the keeper and its renewals

	// Signals, each of one place.
	takeSoon, listSoon, keepSoon, news chan struct{}

	mu         sync.Mutex // never held across anything that blocks
	known      map[string]*entry
	held       map[string]*Held
	queue      []*Held // taken and not handed out, the longest first
	listed     listing
	childless  map[string]bool // shards that have ended here, and whose children are not known
	childWait  time.Duration   // for the next list because of them
	former     map[string]bool // nil before the first look
	idle       bool            // nobody calls Next
	fatal      error           // for Next
	closed     bool
	lost       uint64
	wakes      time.Time // until then the keeper sleeps
	reported   time.Time // when a failed renewal was reported
	unreported int       // how many there were since
}

// entry is a lease in the store as this worker knows it.
type entry struct {
	lease checkpoint.Lease
	first time.Time // when this worker first knew that there is one
	since time.Time // first seen with this Owner and Counter
	asked time.Time // first seen with this Owner and CheckpointOwner
	at    time.Time // when this worker itself wrote it; zero if it did not
}

// listing is the last list of shards.
type listing struct {
	shards []Shard
	began  time.Time
}

var errClosed = errors.New("lease manager closed")

// New returns the manager of a stream's leases and starts it. It takes none
// before Next is called. The error names every violation in options.
func New(store checkpoint.Store, list Lister, options Options) (*Manager, error) {
	err := options.validate()
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	options, owner := options.withDefaults()
	_, exclusive := store.(checkpoint.Exclusive)
	m := &Manager{
		store: &boundedStore{Store: store}, list: list, options: options, owner: owner, exclusive: exclusive, pace: pace(store),
		stop: make(chan struct{}), idle: true,
		takeSoon: make(chan struct{}, 1), listSoon: make(chan struct{}, 1),
		keepSoon: make(chan struct{}, 1), news: make(chan struct{}, 1),
		known: make(map[string]*entry), held: make(map[string]*Held), childless: make(map[string]bool),
	}
	m.reading, m.unread = context.WithCancel(context.Background())
	m.working, m.unwork = context.WithCancel(context.Background())
	m.loops.Go(m.discover)
	m.loops.Go(m.balance)
	if !exclusive {
		m.keeping.Go(m.keep)
	}
	return m, nil
}

// Next blocks until a lease is newly held and ready to be read, and returns it.
// Every Held must be let go of in the end, by a successful End or by Release:
// until then its shard is not handed out again, even if it was lost.
//
// When ctx is done Next returns its error, and the manager takes no more leases,
// and gives back those not handed out, until Next is called again. It fails with
// an error of the store or of the list that wraps sources.ErrUnusable, and after
// Close.
func (m *Manager) Next(ctx context.Context) (*Held, error) {
	m.awake()
	for {
		if err := ctx.Err(); err != nil {
			m.doze()
			return nil, err
		}
		h, err := m.pop()
		if h != nil || err != nil {
			return h, err
		}
		select {
		case <-ctx.Done():
		case <-m.stop:
		case <-m.news:
		}
	}
}

func (m *Manager) pop() (*Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		signal(m.news) // for other callers
		return nil, errClosed
	case m.fatal != nil:
		err := m.fatal
		m.fatal = nil
		return nil, err
	case len(m.queue) == 0:
		return nil, nil //nolint:nilnil // neither yet
	}
	h := m.queue[0]
	m.queue[0] = nil
	m.queue = m.queue[1:]
	h.handed = true
	if len(m.queue) > 0 {
		signal(m.news)
	}
	return h, nil
}

func (m *Manager) awake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle {
		m.idle = false
		signal(m.takeSoon)
	}
}

func (m *Manager) doze() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = true
	signal(m.takeSoon)
}

// Stats is a snapshot for metrics.
type Stats struct {
	// Held leases are this worker's now.
	Held int
	// Waiting leases are those of the stream whose parents are not settled.
	Waiting int
	// Leases are all of the stream that are not settled to their end.
	Leases int
	// Lost is how many leases were lost ever, to others or for want of renewal.
	Lost uint64
}

// Stats looks at all leases; it is for every few seconds.
func (m *Manager) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{Lost: m.lost}
	for _, h := range m.held {
		if !h.gone {
			s.Held++
		}
	}
	for _, e := range m.known {
		if !e.lease.Position.Ended() {
			s.Leases++
		}
	}
	s.Waiting = s.Leases - len(m.ready())
	return s
}

// Close stops taking leases, gives back all that are held, so that others may
// take them at once, and ends the manager's goroutines. It should be called
// after the partitions were closed; leases still held then are lost. When ctx is
// done it gives back no more, and returns its error. Further calls do nothing.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	cut := context.AfterFunc(ctx, m.unwork)
	defer cut()
	close(m.stop)
	m.unread()
	m.loops.Wait()
	m.mu.Lock()
	all := m.sorted()
	m.mu.Unlock()
	err := each(len(all), func(i int) error { return all[i].giveBack(ctx) })
	err = errors.Join(err, m.disown(ctx))
	m.unwork()
	m.keeping.Wait()
	return errors.Join(ctx.Err(), err)
}

// sorted is what is held, in the order of shards. m.mu is held.
func (m *Manager) sorted() []*Held {
	all := make([]*Held, 0, len(m.held))
	for _, h := range m.held {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *Held) int { return strings.Compare(a.shard, b.shard) })
	return all
}

// ready returns the leases that may be read or are, in the order of shards.
// m.mu is held.
func (m *Manager) ready() []seen {
	leases := make([]checkpoint.Lease, 0, len(m.known))
	for _, e := range m.known {
		leases = append(leases, e.lease)
	}
	g := newGraph(m.listed.shards, leases)
	var all []seen
	for id, e := range m.known {
		if !e.lease.Position.Ended() && g.ready(e.lease, m.listed.began.After(e.first)) {
			_, held := m.held[id]
			all = append(all, seen{lease: e.lease, since: e.since, asked: e.asked, held: held})
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return strings.Compare(a.lease.Shard, b.lease.Shard) })
	return all
}

// Fail has Next return an error that wraps sources.ErrUnusable, once. Others it
// ignores.
func (m *Manager) Fail(err error) {
	if errors.Is(err, sources.ErrUnusable) {
		m.mu.Lock()
		m.fatal = err
		m.mu.Unlock()
		signal(m.news)
	}
}

// signal leaves word in a channel of one place.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// maxWrites is how many writes are under way at once in one loop.
const maxWrites = 32

// each calls do for 0 to n-1, several at a time. If some failed it returns one of the
// errors, which may stand for as many as there are shards.
func each(n int, do func(int) error) error {
	var (
		wait   sync.WaitGroup
		places = make(chan struct{}, maxWrites)
		errs   = make([]error, n)
	)
	for i := range n {
		places <- struct{}{}
		wait.Go(func() {
			errs[i] = do(i)
			<-places
		})
	}
	wait.Wait()
	return oneOf(slices.DeleteFunc(errs, func(err error) bool { return err == nil }))
}

// oneOf is the error that says most: one that will not pass, or the first.
func oneOf(errs []error) error {
	if len(errs) <= 1 {
		return errors.Join(errs...)
	}
	told := errs[0]
	if i := slices.IndexFunc(errs, func(err error) bool { return errors.Is(err, sources.ErrUnusable) }); i >= 0 {
		told = errs[i]
	}
	return fmt.Errorf("%w (and %d more)", told, len(errs)-1)
}
