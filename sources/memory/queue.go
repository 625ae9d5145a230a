package memory

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	region            = "us-east-1"
	account           = "000000000000"
	defaultVisibility = 30 * time.Second
	defaultGroup      = "default"
)

// QueueOptions says what kind of [Queue] to make. The zero value is a standard
// queue without a dead-letter rule.
type QueueOptions struct {
	// Name is the last part of the queue's ARN. Default "queue", or
	// "queue.fifo" if FIFO.
	Name string

	// VisibilityTimeout is how long a received message stays hidden (SQS-40).
	// Default 30 s, also for values below zero. A mapping whose Timeout is longer
	// is refused when it starts (SQS-41). One whose window and Timeout need more
	// hides messages for window + Timeout + 30 s (SQS-43), as that of sources/sqs does
	// for window + Timeout and what its calls may take, but what has failed still comes
	// back after this.
	VisibilityTimeout time.Duration

	// MaxReceiveCount is how often a message is handed out before the next
	// receive moves it to DeadLetter instead (SQS-51, SQS-52). Without a
	// DeadLetter, or below 1, there is no such rule.
	MaxReceiveCount int

	// DeadLetter is where messages go that were received too often.
	DeadLetter *Queue

	// FIFO keeps the messages of a group in order and withholds a group while
	// one of its messages is in flight (SQS-30, SQS-32).
	FIFO bool

	// InPlace makes it a queue as message brokers have them (Amazon MQ): what a mapping
	// has fetched is its own until it stops, a batch that failed is tried again in place,
	// and DeadLetter gets what is rejected. VisibilityTimeout and MaxReceiveCount are of no
	// account. Not with FIFO.
	InPlace bool
}

// Queue is an in-memory message queue. Make one with [NewQueue].
type Queue struct {
	options QueueOptions
	arn     string
	encoder *eventjson.SQS
	prefix  string

	// arrived holds a token while messages are visible that nobody is looking
	// at; whoever takes it looks, and puts it back if something is left.
	arrived chan struct{}

	// visible ticks when the oldest message in flight becomes visible. The
	// waiting Fetch that gets the tick looks and sets it again.
	visible *time.Timer

	mu sync.Mutex // of all below; taken before that of the dead-letter queue

	armed    bool      // visible is running or has a tick that nobody took
	tick     time.Time // when visible ticks
	ended    bool
	over     bool // finished is closed
	finished chan struct{}

	ready    list // visible messages of a standard queue
	groups   map[string]*group
	open     groupList // groups of a FIFO queue that may be received from
	inflight list      // by visibleAt
	failed   list      // those in flight that failed, by visibleAt

	length, deleted, buried int
	order                   uint64
}

// NewQueue returns an empty queue.
func NewQueue(options QueueOptions) *Queue {
	if options.Name == "" {
		options.Name = "queue"
		if options.FIFO {
			options.Name = "queue.fifo"
		}
	}
	if options.VisibilityTimeout <= 0 {
		options.VisibilityTimeout = defaultVisibility
	}
	if options.InPlace {
		options.VisibilityTimeout, options.MaxReceiveCount = hiddenInPlace, 0
	}
	arn := "arn:aws:sqs:" + region + ":" + account + ":" + options.Name
	queue := &Queue{
		options:  options,
		arn:      arn,
		encoder:  eventjson.NewSQS(queueEventSource, arn, region),
		prefix:   newPrefix(),
		arrived:  make(chan struct{}, 1),
		visible:  time.NewTimer(time.Hour),
		finished: make(chan struct{}),
		ready:    list{which: inLine},
		groups:   make(map[string]*group),
		inflight: list{which: inFlight},
		failed:   list{which: inFlight},
	}
	queue.visible.Stop()
	return queue
}

// newPrefix returns the part of message IDs, shaped like UUIDs, that keeps
// those of different queues apart: messages of several may meet in one
// dead-letter queue.
func newPrefix() string {
	const four, three = 1 << 16, 1 << 12
	return fmt.Sprintf("%04x%04x-%04x-4%03x-8000-", rand.IntN(four), rand.IntN(four), rand.IntN(four), rand.IntN(three))
}

// ARN returns the queue's name in event documents.
func (q *Queue) ARN() string { return q.arn }

// Send puts a message into the queue and returns its message ID. On a FIFO
// queue its group is "default".
func (q *Queue) Send(body string) string { return q.SendGroup("", body) }

// SendGroup is Send with a message group, which on a FIFO queue is the unit of
// order (SQS-30). On a standard queue it is only shown to the handler (SQS-95).
func (q *Queue) SendGroup(group, body string) string {
	if group == "" && q.options.FIFO {
		group = defaultGroup
	}
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order++
	e := newEntry(q, fmt.Sprintf("%s%012x", q.prefix, q.order&0xffffffffffff), group, body, now)
	q.add(e)
	return e.record.ID
}

// End says that a reader need not wait for further messages: once every
// message is deleted or dead-lettered, Accept and Fetch return
// [sources.ErrEnd], and a mapping's Run returns by itself. A Send after End is
// an ordinary Send; it comes too late for mappings that have ended.
func (q *Queue) End() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.finishIfOver()
}

// Source returns the queue as one mapping reads it. Sources of one queue
// compete for its messages (SQS-13).
func (q *Queue) Source() sources.Source {
	s := &queueSource{queue: q, free: make(chan struct{}, 1), hidden: q.options.VisibilityTimeout}
	s.free <- struct{}{}
	return s
}

// add puts a new entry last in line. The caller holds mu.
func (q *Queue) add(e *entry) {
	e.sequence = q.order
	q.length++
	if q.over {
		q.over, q.finished = false, make(chan struct{})
	}
	if q.options.FIFO {
		q.addToGroup(e)
	} else {
		q.ready.pushBack(e)
	}
	q.signal()
}

// signal has one waiting Fetch look. The caller holds mu.
func (q *Queue) signal() {
	if q.ready.head == nil && q.open.head == nil {
		return
	}
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// finishIfOver tells every waiter once nothing is left. The caller holds mu.
func (q *Queue) finishIfOver() {
	if q.ended && q.length == 0 && !q.over {
		q.over = true
		close(q.finished)
	}
}

func formatMillis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
