package memory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// flights is who holds what: no message, and in a FIFO queue no group, is in
// flight twice.
type flights struct {
	t    *testing.T
	mu   sync.Mutex
	held map[string]int // records in flight by ID, or by group
	next map[string]int // number of the group's first record that is not acked
	done int
}

func (f *flights) take(records []sources.Record, fifo bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mine := map[string]int{}
	for _, r := range records {
		id := r.ID
		if fifo {
			id = r.Key
			if n, _ := strconv.Atoi(string(r.Data)); n != f.next[id]+mine[id] {
				f.t.Errorf("group %s: %d came when %d was next", id, n, f.next[id]+mine[id])
			}
		}
		if f.held[id] > mine[id] {
			f.t.Errorf("%s is in flight twice", id)
		}
		mine[id]++
		f.held[id]++
	}
}

// leave is called before the queue is told, as then others may have the records.
func (f *flights) leave(records []sources.Record, fifo, acked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range records {
		id := r.ID
		if fifo {
			id = r.Key
		}
		f.held[id]--
		if acked {
			f.next[id]++
			f.done++
		}
	}
}

// settle acks the first few records, gives the others back, and now and then
// does so twice.
func (f *flights) settle(p sources.Partition, records []sources.Record, fifo bool) {
	n := len(records)
	if n > 0 {
		n = rand.N(n + 1)
	}
	f.leave(records[:n], fifo, true)
	for range 1 + rand.N(2) {
		if err := p.Ack(f.t.Context(), records[:n]); err != nil {
			f.t.Errorf("Ack: %v", err)
		}
	}
	f.leave(records[n:], fifo, false)
	if err := p.(sources.Releaser).Release(f.t.Context(), records[n:]); err != nil {
		f.t.Errorf("Release: %v", err)
	}
}

// consume reads the queue through sources that come and go, and gives up some
// fetches, until the queue ends.
func (f *flights) consume(queue *memory.Queue, fifo bool) {
	for {
		source := queue.Source()
		p, err := source.Accept(f.t.Context())
		if errors.Is(err, sources.ErrEnd) {
			return
		}
		if err != nil {
			f.t.Errorf("Accept: %v", err)
			return
		}
		for range 5 {
			ctx, cancel := context.WithCancel(f.t.Context())
			if rand.N(4) == 0 {
				go cancel()
			}
			buf := make([]sources.Record, 1+rand.N(12))
			n, err := p.Fetch(ctx, buf, time.Minute)
			f.take(buf[:n], fifo)
			f.settle(p, buf[:n], fifo)
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, sources.ErrEnd) {
				f.t.Errorf("Fetch: %v", err)
			}
		}
		if err := errors.Join(p.Close(f.t.Context()), source.Close(f.t.Context())); err != nil {
			f.t.Errorf("Close: %v", err)
		}
	}
}

// TestQueueManyUsers has many goroutines send, fetch, ack, release, look and leave,
// in real time. Every message is deleted once, and everybody comes back.
func TestQueueManyUsers(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			t.Parallel()
			const senders, each, readers = 4, 400, 6
			queue := memory.NewQueue(memory.QueueOptions{FIFO: fifo, VisibilityTimeout: time.Hour})
			f := &flights{t: t, held: map[string]int{}, next: map[string]int{}}
			var reading, sending, looking sync.WaitGroup
			for range readers {
				reading.Go(func() { f.consume(queue, fifo) })
			}
			for sender := range senders {
				sending.Go(func() {
					for i := range each {
						queue.SendGroup(strconv.Itoa(sender*10+i%5), strconv.Itoa(i/5))
					}
				})
			}
			ended := make(chan struct{})
			looking.Go(func() {
				for {
					select {
					case <-ended:
						return
					default:
					}
					if in, all := queue.InFlight(), queue.Deleted()+len(queue.Messages()); in > senders*each || all > senders*each {
						t.Errorf("%d in flight, %d in all", in, all)
					}
				}
			})
			sending.Wait()
			queue.End()
			reading.Wait()
			close(ended)
			looking.Wait()
			if f.done != senders*each || queue.Deleted() != f.done || queue.Len() != 0 {
				t.Errorf("%d acked, %d deleted, %d left of %d", f.done, queue.Deleted(), queue.Len(), senders*each)
			}
		})
	}
}

// TestQueueManyTimeouts is the same in virtual time, with messages that are
// left to the visibility timeout and to the dead-letter queue.
func TestQueueManyTimeouts_P1(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const messages, readers = 500, 8
				dead := memory.NewQueue(memory.QueueOptions{FIFO: fifo})
				queue := memory.NewQueue(memory.QueueOptions{
					FIFO: fifo, VisibilityTimeout: 2 * time.Second, MaxReceiveCount: 4, DeadLetter: dead,
				})
				var (
					reading sync.WaitGroup
					acked   atomic.Int64
				)
				for range readers {
					reading.Go(func() { acked.Add(int64(timeouts(t, queue))) })
				}
				for i := range messages {
					queue.SendGroup(strconv.Itoa(i%20), strconv.Itoa(i))
					time.Sleep(rand.N(5 * time.Millisecond))
				}
				queue.End()
				reading.Wait()

				// An ack too late is no failure if the message was deleted meanwhile.
				if int(acked.Load()) < queue.Deleted() || queue.Deleted()+dead.Len() != messages || queue.Len() != 0 {
					t.Errorf("%d acked, %d deleted, %d dead, %d left of %d", acked.Load(), queue.Deleted(), dead.Len(), queue.Len(), messages)
				}
			})
		})
	}
}

// timeouts reads until the queue ends, acks some of what it gets in time, some
// too late and some not at all, and returns how many acks were accepted.
func timeouts(t *testing.T, queue *memory.Queue) int {
	t.Helper()
	acked := 0
	for p := accept(t, queue.Source()); ; {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(3*time.Second))
		buf := make([]sources.Record, 1+rand.N(10))
		n, err := p.Fetch(ctx, buf, rand.N(4*time.Second))
		cancel()
		if errors.Is(err, sources.ErrEnd) {
			return acked
		}
		time.Sleep(rand.N(2500 * time.Millisecond))
		records := buf[:n]
		if n > 0 {
			records = records[:rand.N(n+1)]
		}
		acked += len(records)
		err = p.Ack(t.Context(), records)
		if partial, ok := errors.AsType[*sources.AckError](err); ok {
			acked -= len(partial.Stale)
		} else if err != nil {
			t.Errorf("Ack: %v", err)
		}
	}
}

// readStream reads a stream as a mapping of the consumer does, until it ends or
// another takes over, and notes what it acked.
func readStream(t *testing.T, stream *memory.Stream, consumer string, seen *sync.Map) {
	t.Helper()
	source := stream.Source(consumer)
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	defer parts.Wait()
	for {
		p, err := source.Accept(ctx)
		if err != nil {
			cancel() // the end, or a takeover
			return
		}
		parts.Go(func() {
			if lost := readPartition(t, p, seen); lost {
				cancel()
			}
		})
	}
}

// readPartition reads and acks in order, and reports whether the partition was
// lost.
func readPartition(t *testing.T, p sources.Partition, seen *sync.Map) (lost bool) {
	t.Helper()
	defer func() {
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	last := 0
	for {
		buf := make([]sources.Record, 1+rand.N(20))
		n, err := p.Fetch(t.Context(), buf, time.Minute)
		for _, r := range buf[:n] {
			number, _ := strconv.Atoi(r.ID)
			if number <= last {
				t.Errorf("%s came after %d", r.ID, last)
			}
			last = number
		}
		if n > 0 {
			for _, r := range buf[:n] {
				seen.Store(r.ID, true)
			}
			if ackErr := p.Ack(t.Context(), buf[rand.N(n):n]); ackErr != nil {
				err = ackErr
			}
		}
		switch {
		case errors.Is(err, sources.ErrLost):
			return true
		case errors.Is(err, sources.ErrEnd):
			return false
		case err != nil:
			t.Errorf("partition: %v", err)
			return false
		}
	}
}

// TestStreamManyUsers has many goroutines put, split, merge, read and take over, in
// real time. Every record is read and acked by each consumer.
func TestStreamManyUsers(t *testing.T) {
	t.Parallel()
	const putters, each, takeovers = 4, 300, 5
	stream := memory.NewStream(memory.StreamOptions{Partitions: 2})
	consumers := []string{"a", "b"}
	seen := make([]sync.Map, len(consumers))
	var putting, reading sync.WaitGroup
	for putter := range putters {
		putting.Go(func() {
			for i := range each {
				stream.Put(strconv.Itoa(i), nil)
				ids := stream.Partitions()
				switch {
				case len(ids) > 40:
				case i%60 == putter:
					_, _, _ = stream.Split(ids[rand.N(len(ids))])
				case i%60 == 30+putter:
					_, _ = stream.Merge(ids[rand.N(len(ids))], ids[rand.N(len(ids))])
				}
			}
		})
	}
	for c, consumer := range consumers {
		for range takeovers {
			reading.Go(func() { readStream(t, stream, consumer, &seen[c]) })
		}
	}
	putting.Wait()
	stream.End()
	reading.Wait()
	for c, consumer := range consumers {
		readStream(t, stream, consumer, &seen[c]) // who came last may have lost to one who left
		read := 0
		seen[c].Range(func(any, any) bool {
			read++
			return true
		})
		if lag := stream.Lag(consumer); lag != 0 || read != putters*each {
			t.Errorf("consumer %s: lag %d, %d of %d records read", consumer, lag, read, putters*each)
		}
	}
}
