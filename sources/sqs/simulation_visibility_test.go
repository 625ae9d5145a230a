package sqs_test

import (
	"context"
	"fmt"
	"strconv"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// hiding is what the simulation knows of when messages are hidden. It is the
// simulation goroutine's, as is all that happens in the server.
type hiding struct {
	due map[int]time.Time // by number, of those in flight
	// failed is how many calls in a row failed that were about a message in flight, and
	// spare how many may before it comes back.
	failed map[int]int
	spare  int
	// duplicates says that messages in flight may be handed out again.
	duplicates bool
	// late says that messages are started as late as they may be.
	late bool
}

// note takes what the server's books say.
func (w *service) note(e sqstest.Event, number int) {
	switch e.What {
	case sqstest.Received:
		w.hiding.due[number], w.hiding.failed[number] = e.Due, 0
		if e.Lost {
			w.hiding.failed[number] = 1
		}
	case sqstest.Hidden:
		w.hiding.due[number], w.hiding.failed[number] = e.Due, 0
	case sqstest.Returned:
		delete(w.hiding.due, number)
		w.checkKept(e, number)
	case sqstest.Deleted, sqstest.Redriven:
		delete(w.hiding.due, number)
	}
}

// checkKept holds a message that comes back by itself against P11 and P5: while a handler
// runs with it in its time it stays hidden, and then until it is deleted, unless calls
// failed that were about it.
func (w *service) checkKept(e sqstest.Event, number int) {
	if e.Host != "" || w.hiding.duplicates {
		return
	}
	observer := w.sim.Observer()
	switch failed := w.hiding.failed[number]; {
	case failed <= w.hiding.spare && observer.Handling(number):
		observer.Violate(11, fmt.Sprintf("message %d is visible while it is handled, though %d calls in a row failed that were about it", number, failed))
	case failed == 0 && observer.Unsettled(number):
		observer.Violate(5, fmt.Sprintf("message %d is visible though it was handled in time, and no call failed that was about it", number))
	}
}

// hangs draws whether a call hangs. In a world of heartbeats none does whose messages
// were in one that did, since a beat may fail, but not two in a row.
func (w *service) hangs(c sqstest.Call) bool {
	if w.hiding.spare > 0 {
		for _, number := range w.named(c) {
			if w.hiding.failed[number] > 0 {
				return false
			}
		}
	}
	_, hung := w.sim.Hung(operation(c))
	return hung
}

// lasting holds records against P15: none counts as the mapping's for longer than
// the queue hides it. With a heartbeat it is hidden step by step.
func (w *service) lasting(records []sources.Record) {
	for i := range records {
		r := &records[i]
		number := simulation.Number(r.Data)
		w.sim.Observer().Hidden(number, r.Expires)
		due, known := w.hiding.due[number]
		if known && !w.options.Heartbeat && !w.hiding.duplicates && r.Expires.After(due) {
			w.sim.Observer().Violate(15, fmt.Sprintf("message %d counts as the mapping's for %v longer than it is hidden", number, r.Expires.Sub(due)))
		}
	}
}

// fetched holds a Fetch against P8: it takes no longer than it may, whatever becomes of
// its calls, and a second if it is for what is at hand.
func (w *service) fetched(took, wait time.Duration) {
	const moment = 5 * time.Millisecond
	if wait <= 0 {
		wait = time.Second
	}
	if took-wait > moment {
		w.sim.Observer().Violate(8, fmt.Sprintf("a Fetch took %v, it was to wait for %v", took, wait))
	}
}

// failing tells of a call that fails, wholly or in part, or hangs. Nobody need hear of
// one that only asks how many messages there are.
func (w *service) failing(p *process, c sqstest.Call) {
	if operation(c) == simulation.OpStart && p.reads.Load() {
		return
	}
	w.sim.Observer().Failed(p.life, operation(c))
	for _, number := range w.named(c) {
		if number >= 0 {
			w.hiding.failed[number]++
		}
	}
}

// reset changes the visibility timeout of the queue while the mapping runs, to no less
// than it may be when another process starts.
func (w *service) reset(visibility time.Duration) {
	url := w.server.URL() + "/" + sqstest.Account + "/" + w.queue
	text := strconv.Itoa(int(upToSeconds(visibility) / time.Second))
	go func() {
		_, err := w.server.Client().SetQueueAttributes(context.Background(), &awssqs.SetQueueAttributesInput{
			QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": text},
		})
		if err != nil {
			panic(err)
		}
	}()
	w.sim.Cover("visibility timeout changed")
}

// beat makes the scenario one in which heartbeats keep many messages for long, and
// some of their calls hang. Nothing else goes wrong.
func (w *service) beat() {
	s := &w.sim.Scenario
	s.Records, s.Spread, s.Poison, s.Throttles, s.Stuck, s.Hanging, s.Jitter = max(s.Records, 30), 0, 0, false, 0, 0, ""
	clear(s.Behaviors)
	clear(s.Faults)
	s.Behaviors["slow"] = 0.7
	s.Faults["fail hung"] = 0.3
	s.Config.BatchSize, s.Config.MaximumBatchingWindow, s.Config.MaximumBatchBytes = 10, 0, 0
	s.Config.MaximumConcurrency, s.Config.MaximumBufferedBytes = 10, 0
	s.Config.Timeout = time.Minute
	w.options.Heartbeat, w.hiding.spare = true, 1
	w.sim.Cover("beats hang")
}

// ripen makes the scenario one in which messages are started as late as they may be:
// what does not fit into a batch waits for its handler, and then through a window.
func (w *service) ripen() {
	w.hiding.late = true
	c := &w.sim.Scenario.Config
	c.BatchSize, c.MaximumConcurrency = 100, 1
	c.Timeout = min(c.Timeout, time.Minute)
	c.MaximumBatchingWindow = 2 * time.Minute
	c.MaximumBatchBytes = eventjson.Bound + w.size("", "", 0)*3/2 + w.sim.Scenario.Size
	w.sim.Scenario.Redrive = 1
	w.sim.Cover("started late")
}
