package sqs_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// stress is a queue with many readers, and who holds what of it.
type stress struct {
	*sqstest.Server

	t       *testing.T
	name    string
	fifo    bool
	faulty  bool
	options sqs.Options
	slowest time.Duration // how long a record is held at most
	spacing time.Duration // how long a send follows another at most

	mu    sync.Mutex
	held  map[string]int // records in flight by ID, or by group
	next  map[string]int // number of the group's first record that is not acked
	acked map[string]int
}

func newStress(t *testing.T, name, visibility string, options sqs.Options) *stress {
	t.Helper()
	s := &stress{
		Server: sqstest.New(), t: t, name: name, fifo: strings.HasSuffix(name, ".fifo"), options: options,
		held: map[string]int{}, next: map[string]int{}, acked: map[string]int{},
	}
	t.Cleanup(func() {
		err := s.Close()
		if err != nil {
			t.Error(err)
		}
	})
	attributes := map[string]string{"VisibilityTimeout": visibility}
	if s.fifo {
		attributes["FifoQueue"] = "true"
	}
	_, err := s.AddQueue("arn:aws:sqs:eu-west-1:123456789012:"+name, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send sends n messages, in a FIFO queue numbered within seven groups.
func (s *stress) send(n int) {
	s.t.Helper()
	client, url := s.Client(), s.URL()+"/123456789012/"+s.name
	for i := range n {
		body, dedup, group := strconv.Itoa(i), strconv.Itoa(i), strconv.Itoa(i%7)
		in := &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
		if s.fifo {
			*in.MessageBody = strconv.Itoa(i / 7)
			in.MessageDeduplicationId, in.MessageGroupId = &dedup, &group
		}
		_, err := client.SendMessage(s.t.Context(), in)
		if err != nil {
			s.t.Error(err)
		}
		if s.spacing > 0 {
			time.Sleep(rand.N(s.spacing)) // real time: none, spacing is 0 outside of bubbles
		}
	}
}

// open starts a source and accepts its partition. Start is tried again, as the
// engine does.
func (s *stress) open() (*sqs.Source, sources.Partition) {
	source, err := sqs.New(s.Client(), "arn:aws:sqs:eu-west-1:123456789012:"+s.name, s.options)
	if err != nil {
		s.t.Error(err)
		return nil, nil
	}
	for {
		err = source.Start(s.t.Context(), sources.Settings{BatchSize: 10, Timeout: max(settings.Timeout, s.slowest)})
		if err == nil {
			break
		}
		if !s.faulty || errors.Is(err, sources.ErrUnusable) {
			s.t.Errorf("Start: %v", err)
			return nil, nil
		}
	}
	p, err := source.Accept(s.t.Context())
	if err != nil {
		s.t.Errorf("Accept: %v", err)
	}
	return source, p
}

// take notes that records are held. Without faults nobody else may have them.
func (s *stress) take(records []sources.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := map[string]int{}
	for _, r := range records {
		id := r.ID
		if s.fifo {
			id = r.Key
			n, _ := strconv.Atoi(string(r.Data))
			if !s.faulty && n != s.next[id]+mine[id] {
				s.t.Errorf("group %s: %d came when %d was next", id, n, s.next[id]+mine[id])
			}
		}
		if !s.faulty && s.held[id] > mine[id] {
			s.t.Errorf("%s is handed out twice", id)
		}
		mine[id]++
		s.held[id]++
	}
}

// leave notes it before the service is told, as then others may have them.
func (s *stress) leave(records []sources.Record, acked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		id := r.ID
		if s.fifo {
			id = r.Key
		}
		s.held[id]--
		if acked {
			s.next[id]++
			s.acked[r.ID]++
		}
	}
}

// finish acks the first few records and releases the others.
func (s *stress) finish(p sources.Partition, records []sources.Record) {
	n := len(records)
	if n > 0 {
		n = rand.N(n + 1)
	}
	s.leave(records[:n], true)
	for left := records[:n]; len(left) > 0; {
		err := p.Ack(s.t.Context(), left)
		partial, ok := errors.AsType[*sources.AckError](err)
		switch {
		case err == nil:
			left = nil
		case !s.faulty || !ok:
			s.t.Errorf("Ack: %v", err)
			return
		default:
			left = partial.Unsettled
		}
	}
	s.leave(records[n:], false)
	err := p.(sources.Releaser).Release(s.t.Context(), records[n:])
	if err != nil && !s.faulty {
		s.t.Errorf("Release: %v", err)
	}
}

// read fetches a few times, and gives up some fetches.
func (s *stress) read(p sources.Partition, rounds int) {
	for range rounds {
		ctx, cancel := context.WithTimeout(s.t.Context(), rand.N(5*time.Second))
		buf := make([]sources.Record, 1+rand.N(12))
		wait := time.Duration(0)
		if rand.N(3) > 0 {
			wait = rand.N(25 * time.Second)
		}
		n, err := p.Fetch(ctx, buf, wait)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !s.faulty {
			s.t.Errorf("Fetch: %v", err)
		}
		s.take(buf[:n])
		if s.slowest > 0 && n > 0 {
			time.Sleep(rand.N(s.slowest))
		}
		s.finish(p, buf[:n])
		cancel()
	}
}

// readers has sources come and go, each read by some goroutines, and closed when
// these are done; where calls fail with little patience.
func (s *stress) readers(owners, sources, lanes, rounds int) {
	var all sync.WaitGroup
	for range owners {
		all.Go(func() {
			for range sources {
				source, p := s.open()
				if p == nil {
					return
				}
				var reading sync.WaitGroup
				for range lanes {
					reading.Go(func() { s.read(p, 1+rand.N(rounds)) })
				}
				reading.Wait()
				patience := time.Hour
				if s.faulty {
					patience = rand.N(2 * time.Second)
				}
				ctx, cancel := context.WithTimeout(s.t.Context(), patience)
				err := errors.Join(p.Close(ctx), source.Close(ctx))
				cancel()
				if err != nil && !s.faulty {
					s.t.Errorf("Close: %v", err)
				}
			}
		})
	}
	all.Wait()
}

// drain reads until the queue is empty, and looks that each message was acked
// once and is gone.
func (s *stress) drain(n int) {
	s.t.Helper()
	_, p := s.open()
	defer closePartition(s.t, p)
	for began := time.Now(); s.Counts(s.name).Deleted < n && time.Since(began) < time.Hour; {
		buf := make([]sources.Record, 10)
		got, err := p.Fetch(s.t.Context(), buf, 20*time.Second)
		if err != nil && !s.faulty {
			s.t.Errorf("Fetch: %v", err)
		}
		s.take(buf[:got])
		s.finish(p, buf[:got])
	}
	if got := s.Counts(s.name); got != (sqstest.Counts{Deleted: n}) || len(s.acked) != n {
		s.t.Errorf("%+v, %d acked, want %d deleted", got, len(s.acked), n)
	}
	for id, times := range s.acked {
		if times != 1 && !s.faulty {
			s.t.Errorf("message %s was acked %d times", id, times)
		}
	}
}

// TestManyReaders has many sources of many lanes read one queue, come and go. What is
// not acked is there again at once, nothing is handed out twice, and everybody
// comes back (P1, P4, P11).
func TestManyReaders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue, visibility string
		options           sqs.Options
		slowest           time.Duration
	}{
		"standard":  {queue: "orders", visibility: "3600"},
		"FIFO":      {queue: "orders.fifo", visibility: "3600"},
		"slow":      {queue: "orders", visibility: "600", slowest: 10 * time.Second, options: sqs.Options{WaitTime: time.Second}},
		"heartbeat": {queue: "orders", visibility: "9", slowest: time.Minute, options: sqs.Options{Heartbeat: true, WaitTime: 2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 150
				s := newStress(t, test.queue, test.visibility, test.options)
				s.slowest, s.spacing = test.slowest, 400*time.Millisecond // some come while sources close
				s.SetFault(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: rand.N(30 * time.Millisecond)} })
				var sending sync.WaitGroup
				sending.Go(func() { s.send(n) })
				s.readers(3, 3, 4, 3)
				sending.Wait()
				if got := s.Counts(s.name); got.InFlight != 0 || got.Visible+got.Deleted != n {
					t.Errorf("%+v when all are closed, want none in flight of %d", got, n)
				}
				s.drain(n)
			})
		})
	}
}

// TestManyReadersUnderFaults is the same with calls that fail before or after they
// took effect: nothing is lost (P1), and everybody comes back (P11) (P9).
func TestManyReadersUnderFaults(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"orders", "orders.fifo"} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 100
				s := newStress(t, queue, "30", sqs.Options{WaitTime: time.Second, FailureBackoff: retry.Backoff{Initial: time.Second}})
				s.send(n)
				s.faulty = true
				s.SetFault(func(c sqstest.Call) sqstest.Fault {
					fault := sqstest.Fault{Delay: rand.N(30 * time.Millisecond)}
					switch rand.N(12) {
					case 0:
						fault.Err = sqstest.InternalFailure()
					case 1:
						fault.Cut = sqstest.CutBefore
					case 2:
						fault.Cut = sqstest.CutAfter
					case 3:
						if entries := len(c.Entries); entries > 0 && strings.HasSuffix(c.Action, "Batch") {
							fault.Entries = sqstest.FailEntries(c, sqstest.InternalFailure(), rand.N(entries)).Entries
						}
					}
					return fault
				})
				s.readers(3, 3, 3, 3)
				s.SetFault(nil)
				s.drain(n)
			})
		})
	}
}

// TestManyReadersInRealTime makes no long polls and needs no virtual time, so that the
// race detector sees threads meet (P1, P11).
func TestManyReadersInRealTime(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"orders", "orders.fifo"} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			const n, owners, lanes, rounds = 150, 3, 4, 4
			s := newStress(t, queue, "3600", sqs.Options{})
			s.send(n)
			var all sync.WaitGroup
			for range owners {
				all.Go(func() {
					_, p := s.open()
					if p == nil {
						return
					}
					var reading sync.WaitGroup
					for range lanes {
						reading.Go(func() {
							for range rounds {
								ctx, cancel := context.WithCancel(t.Context())
								if rand.N(3) == 0 {
									go cancel()
								}
								buf := make([]sources.Record, 1+rand.N(10))
								got, err := p.Fetch(ctx, buf, 0)
								if err != nil && !errors.Is(err, context.Canceled) {
									t.Errorf("Fetch: %v", err)
								}
								s.take(buf[:got])
								s.finish(p, buf[:got])
								cancel()
							}
						})
					}
					reading.Wait()
					closePartition(t, p)
				})
			}
			all.Wait()
			got := s.Counts(s.name)
			if got.InFlight != 0 || got.Visible+got.Deleted != n || got.Deleted != len(s.acked) {
				t.Errorf("%+v when all are closed, %d acked; want none in flight of %d", got, len(s.acked), n)
			}
		})
	}
}
