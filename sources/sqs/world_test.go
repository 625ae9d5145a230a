package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

var errHandler = errors.New("handler failed")

type (
	handle = func(ctx context.Context, records []sources.Record) (esm.Response, error)
	faults = func(c sqstest.Call) sqstest.Fault
)

// world is a bubble with the fake service, one queue, and a journal of what
// mappings did with it.
type world struct {
	*sqstest.Server

	t     *testing.T
	name  string
	url   string
	began time.Time

	mu       sync.Mutex
	faults   faults
	calls    int
	batches  []batch
	done     map[string]int // successes by message ID
	counts   map[esm.Metric]int
	problems []string
}

// batch is one invocation.
type batch struct {
	bodies []string
	at     time.Duration
}

// inWorld runs a test in a bubble with a queue.
func inWorld(t *testing.T, name string, attributes map[string]string, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := &world{
			Server: sqstest.New(), t: t, name: name, began: time.Now(),
			done: map[string]int{}, counts: map[esm.Metric]int{},
		}
		t.Cleanup(w.close)
		w.url = w.create(name, attributes)
		w.SetFault(w.fault)
		test(t, w)
	})
}

// close ends the world, also when the test ended early.
func (w *world) close() {
	err := w.Close()
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, problem := range w.problems {
		w.t.Error(problem)
	}
}

func (w *world) create(name string, attributes map[string]string) string {
	w.t.Helper()
	all := map[string]string{}
	maps.Copy(all, attributes)
	if strings.HasSuffix(name, ".fifo") {
		all["FifoQueue"], all["ContentBasedDeduplication"] = "true", "true"
	}
	url, err := w.AddQueue("arn:aws:sqs:eu-west-1:123456789012:"+name, all)
	if err != nil {
		w.t.Fatal(err)
	}
	return url
}

// fault holds every delete to P2, and else draws the faults. A loop without
// waits, in which virtual time would stand still, is told of and slowed down.
func (w *world) fault(c sqstest.Call) sqstest.Fault {
	const most = 20_000
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.calls == most {
		w.problems = append(w.problems, fmt.Sprintf("P9: %d calls, the last %s: a hot loop", most, c.Action))
	}
	if w.calls > most {
		return sqstest.Fault{Delay: time.Second}
	}
	for _, e := range c.Entries {
		if c.Action == "DeleteMessageBatch" && e.MessageID != "" && w.done[e.MessageID] == 0 {
			w.problems = append(w.problems, "P2: deleted before its success: "+e.MessageID)
		}
	}
	if w.faults == nil {
		return sqstest.Fault{}
	}
	return w.faults(c)
}

// setFaults has calls go wrong as it says; nil for none.
func (w *world) setFaults(to faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = to
}

func (w *world) observe(o esm.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[o.Metric] += o.Count
}

// journal makes a handler that keeps the journal around f; nil succeeds.
func (w *world) journal(f handle) esm.Handler {
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		w.enter(records)
		var (
			response esm.Response
			err      error
		)
		if f != nil {
			response, err = f(ctx, records)
		}
		if err == nil && ctx.Err() == nil {
			w.succeed(records, response.BatchItemFailures)
		}
		return response, err
	})
}

func (w *world) enter(records []sources.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = append(w.batches, batch{bodies: texts(records), at: time.Since(w.began)})
}

func (w *world) succeed(records []sources.Record, but []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range records {
		if !slices.Contains(but, records[i].ID) {
			w.done[records[i].ID]++
		}
	}
}

func texts(records []sources.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		all[i] = string(records[i].Data)
	}
	return all
}

// log returns the batches so far.
func (w *world) log() []batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.batches)
}

// seen returns how often each body was handed to the handler.
func (w *world) seen() map[string]int {
	seen := map[string]int{}
	for _, b := range w.log() {
		for _, body := range b.bodies {
			seen[body]++
		}
	}
	return seen
}

// send sends through the service's API.
func (w *world) send(group string, bodies ...string) {
	w.t.Helper()
	client := w.Client()
	for _, body := range bodies {
		in := &awssqs.SendMessageInput{QueueUrl: &w.url, MessageBody: &body}
		if group != "" {
			in.MessageGroupId = &group
		}
		_, err := client.SendMessage(w.t.Context(), in)
		if err != nil {
			w.t.Error(err)
		}
	}
}

// mapping makes a mapping of the queue.
func (w *world) mapping(handler esm.Handler, options sqs.Options, config esm.Config) *esm.Mapping {
	w.t.Helper()
	source, err := sqs.New(w.Client(), "arn:aws:sqs:eu-west-1:123456789012:"+w.name, options)
	if err != nil {
		w.t.Fatal(err)
	}
	config.Logger = slog.New(slog.DiscardHandler)
	if config.Observer == nil {
		config.Observer = w.observe
	}
	m, err := esm.New(source, handler, config)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// running is a mapping that runs.
type running struct {
	w      *world
	cancel context.CancelFunc
	ended  chan error
}

func (w *world) run(handler esm.Handler, options sqs.Options, config esm.Config) *running {
	w.t.Helper()
	m := w.mapping(handler, options, config)
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &running{w: w, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- m.Run(ctx) }()
	return r
}

// stop stops the mapping and returns how long that took, and what Run returned.
func (r *running) stop() (time.Duration, error) {
	start := time.Now()
	r.cancel()
	err := <-r.ended
	return time.Since(start), err
}

// end is stop of a mapping that ends well.
func (r *running) end() {
	r.w.t.Helper()
	_, err := r.stop()
	if err != nil {
		r.w.t.Errorf("Run: %v", err)
	}
}

// until waits until so many messages were deleted, and returns how long it
// took; it fails the test after the limit.
func (w *world) until(deleted int, limit time.Duration) time.Duration {
	w.t.Helper()
	const step = 10 * time.Millisecond
	start := time.Now()
	for w.Counts(w.name).Deleted < deleted {
		if time.Since(start) > limit {
			w.t.Errorf("%+v after %v, want %d deleted", w.Counts(w.name), limit, deleted)
			break
		}
		time.Sleep(step)
	}
	return time.Since(start)
}

// once looks that each body was handled exactly once.
func (w *world) once(bodies []string) {
	w.t.Helper()
	seen := w.seen()
	for _, body := range bodies {
		if seen[body] != 1 {
			w.t.Errorf("%q was handled %d times", body, seen[body])
		}
	}
	if len(seen) != len(bodies) {
		w.t.Errorf("%d different messages handled, want %d", len(seen), len(bodies))
	}
}

// left looks at what is in the queue.
func (w *world) left(want sqstest.Counts) {
	w.t.Helper()
	if got := w.Counts(w.name); got != want {
		w.t.Errorf("queue: %+v, want %+v", got, want)
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

// redriven are the attributes of a queue whose messages move to target after
// so many receives.
func redriven(visibility time.Duration, target string, receives int) map[string]string {
	return map[string]string{
		"VisibilityTimeout": strconv.Itoa(int(visibility.Seconds())),
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:%s","maxReceiveCount":%d}`,
			target, receives),
	}
}

// redrive makes a dead-letter queue and has the queue use it.
func (w *world) redrive(visibility time.Duration, target string, receives int) {
	w.t.Helper()
	w.create(target, nil)
	_, err := w.Client().SetQueueAttributes(w.t.Context(), &awssqs.SetQueueAttributesInput{
		QueueUrl: aws.String(w.url), Attributes: redriven(visibility, target, receives),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
