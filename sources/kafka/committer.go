package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka/access"
)

const (
	// commitInterval is the least time between two commits of one source: the
	// offsets of all partitions go together. The first after a pause is made at once.
	commitInterval = 50 * time.Millisecond
	// commitLimit is how long one commit may take.
	// The client holds the group up for it, which would throw this member out.
	commitLimit = 5 * time.Second
)

// committer commits offsets, one request at a time for all partitions.
type committer struct {
	client *kgo.Client
	books  *sync.Mutex // guards assignments
	out    func()      // is called when the group does not know the member
	// renamed reports whether the member is not the one that got the partitions.
	renamed func() bool
	// ask asks for the IDs of topics.
	ask func(context.Context, []string) (map[string]topicID, error)

	work   sync.WaitGroup
	ctx    context.Context //nolint:containedctx // it lives as long as the committer
	cancel context.CancelFunc
	urgent chan struct{} // somebody wants no pause

	mu      sync.Mutex
	pending map[*assignment]struct{}
	waiting *round // that the pending ones will be part of; nil for none
	current *round // that is under way; nil for none
	running bool
	last    time.Time
	hurried int // how many want no pause
}

// round is one request, and what it came to.
type round struct {
	done chan struct{}
	errs map[*assignment]error
}

func newCommitter(client *kgo.Client, books *sync.Mutex, out func()) *committer {
	ctx, cancel := context.WithCancel(context.Background())
	return &committer{
		client: client, books: books, out: out, ctx: ctx, cancel: cancel,
		urgent: make(chan struct{}, 1), pending: make(map[*assignment]struct{}),
	}
}

// commit has what is settled of partitions committed, and returns when it is.
func (c *committer) commit(ctx context.Context, partitions []*assignment) error {
	if len(partitions) == 0 {
		return nil
	}
	r := c.join(partitions)
	select {
	case <-r.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, a := range partitions {
		if err := r.errs[a]; err != nil {
			return err
		}
	}
	return nil
}

// pass has what is settled of a partition committed without anybody who waits for it,
// until it is or the partition is not owned any more, and tells of failures. The caller
// holds the mutex of the books.
func (c *committer) pass(a *assignment, tell func(error)) {
	if a.passing || c.ctx.Err() != nil {
		return
	}
	a.passing = true
	c.work.Go(func() {
		for wait := troubled; ; wait = min(2*wait, maxTroubled) {
			err := c.commit(c.ctx, []*assignment{a})
			if c.passed(a, err) {
				return
			}
			if err != nil {
				tell(err)
				sleep(c.ctx, wait)
			}
		}
	})
}

// passed reports whether nothing is left to pass, or nobody may any more.
func (c *committer) passed(a *assignment, err error) bool {
	c.books.Lock()
	defer c.books.Unlock()
	a.passing = a.owned && c.ctx.Err() == nil && !errors.Is(err, sources.ErrLost) && a.settled.Offset > a.committed.Offset
	return !a.passing
}

// join makes partitions part of the next round.
func (c *committer) join(partitions []*assignment) *round {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range partitions {
		c.pending[a] = struct{}{}
	}
	if c.waiting == nil {
		c.waiting = &round{done: make(chan struct{}), errs: make(map[*assignment]error)}
	}
	if !c.running {
		c.running = true
		c.work.Go(c.run)
	}
	return c.waiting
}

// run makes one round after the other until there is nothing to commit.
func (c *committer) run() {
	for {
		c.pace()
		r, partitions := c.begin()
		if r == nil {
			return
		}
		c.send(r, partitions)
		c.mu.Lock()
		c.current, c.last = nil, time.Now()
		c.mu.Unlock()
		close(r.done)
	}
}

// pace waits until the next round may be made.
func (c *committer) pace() {
	c.mu.Lock()
	left := time.Until(c.last.Add(commitInterval))
	hurried := c.hurried > 0
	c.mu.Unlock()
	if left <= 0 || hurried {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.urgent:
	case <-c.ctx.Done():
	}
}

// begin returns the next round, nil if there is none.
func (c *committer) begin() (*round, map[*assignment]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.running = false
		return nil, nil
	}
	partitions := c.pending
	c.current, c.waiting, c.pending = c.waiting, nil, make(map[*assignment]struct{})
	return c.current, partitions
}

// send commits what is settled of partitions that are still owned, and notes the
// errors.
func (c *committer) send(next *round, partitions map[*assignment]struct{}) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	sent := make(map[*assignment]kgo.EpochOffset)
	var doubtful []string
	c.books.Lock()
	for a := range partitions {
		switch {
		case !a.owned:
			next.errs[a] = sources.ErrLost
		case a.settled.Offset > a.committed.Offset:
			sent[a] = a.settled
			if offsets[a.topic] == nil {
				offsets[a.topic] = make(map[int32]kgo.EpochOffset)
			}
			offsets[a.topic][a.partition] = a.settled
			if a.doubtful && !slices.Contains(doubtful, a.topic) {
				doubtful = append(doubtful, a.topic)
			}
		}
	}
	c.books.Unlock()
	if len(sent) == 0 {
		return
	}
	errs, err := c.call(offsets, doubtful)
	err = timed(commitLimit, err)
	lost := false
	c.books.Lock()
	for a, offset := range sent {
		failure := cmp.Or(err, errs[a.key])
		if failure == nil {
			a.committed, a.refusals, a.doubtful = offset, 0, false
			continue
		}
		a.doubtful = a.doubtful || isOtherTopic(failure)
		if isRefusal(failure) {
			a.refusals++
		}
		next.errs[a] = fmt.Errorf("kafka: OffsetCommit of %s: %w", a.name, failure)
		lost = lost || isThrownOut(failure)
	}
	c.books.Unlock()
	if lost {
		c.out()
	}
}

// isRefusal says that a commit failed in a way that may be for good.
func isRefusal(err error) bool {
	return access.Refused(err) || isOtherTopic(err)
}

// call makes the request and returns the errors of single partitions. doubtful are topics
// that may be others by now.
func (c *committer) call(offsets map[string]map[int32]kgo.EpochOffset, doubtful []string) (map[key]error, error) {
	ctx, cancel := context.WithTimeout(c.ctx, commitLimit)
	defer cancel()
	errs := make(map[key]error)
	plain := ctx
	ctx = kgo.PreCommitFnContext(ctx, func(r *kmsg.OffsetCommitRequest) error {
		if c.renamed() {
			return kerr.UnknownMemberID // as it was answered under the old name
		}
		return c.check(plain, r, doubtful, errs)
	})
	var failure error
	c.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, r *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			failure = err
		} else {
			outcomes(r, answer, errs)
		}
	})
	return errs, failure
}

// outcomes notes what was answered of each partition of a request, and that nothing was. From
// Apache Kafka 4.1 on an answer names topics by their IDs only, and the client adds the names
// only if it was not given other partitions in between.
func outcomes(r *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, errs map[key]error) {
	names := make(map[topicID]string)
	for i := range r.Topics {
		t := &r.Topics[i]
		names[t.TopicID] = t.Topic
		for j := range t.Partitions {
			k := key{t.Topic, t.Partitions[j].Partition}
			errs[k] = cmp.Or(errs[k], errLeftOut)
		}
	}
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			k := key{cmp.Or(t.Topic, names[t.TopicID]), t.Partitions[j].Partition}
			errs[k] = kerr.ErrorForCode(t.Partitions[j].ErrorCode)
		}
	}
}

// fence waits until what was sent before is answered, or given up.
func (c *committer) fence() {
	c.mu.Lock()
	r := c.current
	c.mu.Unlock()
	if r != nil {
		<-r.done
	}
}

// hurry has rounds made without a pause, until it is called with false as often as
// with true.
func (c *committer) hurry(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !on {
		c.hurried--
		return
	}
	c.hurried++
	signal(c.urgent)
}

// close gives up what is under way and waits for it.
func (c *committer) close() {
	c.books.Lock() // nothing is begun any more
	c.cancel()
	c.books.Unlock()
	c.work.Wait()
}
