package rabbitmq_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// scenarios are what is played on both brokers.
func scenarios() map[string]func(s *site) {
	return map[string]func(s *site){
		"RetriedInPlace":      retriedInPlace,
		"ExpiredInHand":       expiredInHand,
		"PoisonRejected":      poisonRejected,
		"TooLargeRejected":    tooLargeRejected,
		"TooLargeLeft":        tooLargeLeft,
		"StopGivesBack":       stopGivesBack,
		"StopOfQuorum":        stopOfQuorum,
		"QueueDeleted":        queueDeleted,
		"ConnectionCut":       connectionCut,
		"CutInRetry":          cutInRetry,
		"RestKeepsOrder":      restKeepsOrder,
		"TwoMappings":         twoMappings,
		"HeldNearTimeout":     heldNearTimeout,
		"HeldPastTimeout":     heldPastTimeout,
		"FilteredAtOnce":      filteredAtOnce,
		"PrefetchOfABatch":    prefetchOfABatch,
		"PrefetchOfLanes":     prefetchOfLanes,
		"AckOfLanes":          ackOfLanes,
		"StreamRefused":       streamRefused,
		"MissingQueue":        missingQueue,
		"MissingVirtualHost":  missingVirtualHost,
		"WrongPassword":       wrongPassword,
		"PartialIsIgnored":    partialIsIgnored,
		"DeadLetterDocuments": deadLetterDocuments,
	}
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for name, scenario := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, scenario)
		})
	}
}

// promptly is a back-off for scenarios that a real broker plays too.
func promptly() retry.Backoff {
	return retry.Backoff{Initial: 50 * time.Millisecond, Max: 100 * time.Millisecond}
}

// A batch that fails stays unacknowledged, and is tried again whole, before what comes
// behind it (MQ-26, MQ-30, MQ-32).
func retriedInPlace(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(5)...)
	var calls atomic.Int32
	r := s.run(esm.Config{BatchSize: 3, RetryBackoff: promptly()}, func(context.Context, []string) error {
		if calls.Add(1) <= 3 {
			return errHandler
		}
		return nil
	})
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 5 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	one := []string{"0", "1", "2"}
	equalBatches(s.t, r.handled(), one, one, one, one, []string{"3", "4"})
	if r.redelivered() > 0 || s.ready(s.queue) > 0 {
		s.t.Errorf("%d redelivered, %d left", r.redelivered(), s.ready(s.queue))
	}
}

// A message that expires in hand is handed back, so that the broker dead-letters it (M8,
// MQ-41).
func expiredInHand(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.publish(s.queue, amqp.Publishing{Body: []byte("short"), Expiration: "1500"}, amqp.Publishing{Body: []byte("long")})
	var calls atomic.Int32
	r := s.run(esm.Config{RetryBackoff: promptly()}, func(_ context.Context, bodies []string) error {
		calls.Add(1)
		if slices.Contains(bodies, "short") {
			return errHandler
		}
		return nil
	})
	s.eventually("the other is handled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
	s.eventually("it is a dead letter", func() bool { return s.ready(s.dead) == 1 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	dead := s.take(s.dead)
	equalTexts(s.t, "dead letters", bodiesOf(dead), "short")
	if reason := dead[0].Headers["x-first-death-reason"]; reason != "expired" {
		s.t.Errorf("dead for %v", reason)
	}
	if calls.Load() < 3 {
		s.t.Errorf("only %d attempts", calls.Load())
	}
	last := r.handled()[len(r.handled())-1]
	equalTexts(s.t, "last batch", last, "long")
}

// After so many attempts a batch is rejected, and dead-lettered (MQ-36).
func poisonRejected(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.options.DeadLetters = true
	s.send("poison", "good")
	r := s.run(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(2), RetryBackoff: promptly()}, func(_ context.Context, bodies []string) error {
		if bodies[0] == "poison" {
			return errHandler
		}
		return nil
	})
	s.eventually("the other is handled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
	s.eventually("it is a dead letter", func() bool { return s.ready(s.dead) == 1 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	equalTexts(s.t, "handled", r.messages(), "poison", "poison", "poison", "good")
	dead := s.take(s.dead)
	equalTexts(s.t, "dead letters", bodiesOf(dead), "poison")
	if reason := dead[0].Headers["x-first-death-reason"]; reason != "rejected" {
		s.t.Errorf("dead for %v", reason)
	}
}

// What fits into no event document is dead-lettered (MQ-40).
func tooLargeRejected(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.options.DeadLetters = true
	large := strings.Repeat("x", 3000)
	s.send("a", large, "b")
	r := s.run(esm.Config{MaximumBatchBytes: 2000}, nil)
	s.eventually("the others are handled", func() bool { return r.counts(esm.DeletedEventCount) == 2 })
	s.eventually("it is a dead letter", func() bool { return s.ready(s.dead) == 1 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	equalTexts(s.t, "handled", r.messages(), "a", "b")
	if n := r.counts(esm.RejectedEventCount); n != 1 {
		s.t.Errorf("%d counted as rejected", n)
	}
}

// Without dead letters it is left in the queue, and reported; others go on, even if more
// such messages than a batch has places come first (MQ-40).
func tooLargeLeft(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	large := strings.Repeat("x", 3000)
	s.send(large, large, large, "a", "b")
	r := s.run(esm.Config{BatchSize: 2, MaximumBatchBytes: 2000}, nil)
	s.eventually("the others are handled", func() bool { return r.counts(esm.DeletedEventCount) == 2 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	equalTexts(s.t, "handled", r.messages(), "a", "b")
	if n := r.counts(esm.DroppedEventCount); n != 3 {
		s.t.Errorf("%d reported", n)
	}
	equalTexts(s.t, "left", bodiesOf(s.take(s.queue)), large, large, large)
}

// When Run has returned nothing is held, and nothing that was handled comes again (M19).
func stopGivesBack(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(10)...)
	began, go1 := make(chan struct{}, 10), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 3}, func(context.Context, []string) error {
		began <- struct{}{}
		<-go1
		return nil
	})
	<-began
	r.cancel()
	elapse(200 * time.Millisecond)
	close(go1)
	if err := r.wait(); err != nil {
		s.t.Error(err)
	}
	n := len(r.messages())
	equalTexts(s.t, "handled", r.messages(), numbers(10)[:n]...)
	equalTexts(s.t, "left", bodiesOf(s.take(s.queue)), numbers(10)[n:]...)
	if n > 6 {
		s.t.Errorf("%d handled, though it was stopped in the first three", n)
	}
}

// A clean stop costs what was not fetched no delivery of a quorum queue's limit (M5).
func stopOfQuorum(s *site) {
	s.queues(rabbitmqtest.QueueOptions{Quorum: true, DeliveryLimit: 2})
	s.send(numbers(12)...)
	for range 4 {
		began, letGo := make(chan struct{}, 1), make(chan struct{})
		r := s.run(esm.Config{BatchSize: 1}, func(context.Context, []string) error {
			began <- struct{}{}
			<-letGo
			return nil
		})
		<-began
		r.cancel()
		elapse(500 * time.Millisecond) // so that the acknowledgement brings no other message
		close(letGo)
		if err := r.wait(); err != nil {
			s.t.Error(err)
		}
		if n := len(r.messages()); n != 1 {
			s.t.Errorf("%d handled", n)
		}
	}
	left := s.take(s.queue)
	equalTexts(s.t, "left", bodiesOf(left), numbers(12)[4:]...)
	for _, d := range left {
		if d.Redelivered {
			s.t.Errorf("%s was redelivered", d.Body)
		}
	}
	if n := s.ready(s.dead); n > 0 {
		s.t.Errorf("%d dead letters", n)
	}
}

// A queue that is deleted and made again is read again (M11).
func queueDeleted(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send("before")
	held, letGo := make(chan struct{}, 1), make(chan struct{})
	r := s.run(esm.Config{}, func(_ context.Context, bodies []string) error {
		if bodies[0] == "before" {
			held <- struct{}{}
			<-letGo
		}
		return nil
	})
	<-held
	s.remove(s.queue)
	s.eventually("it is told", func() bool { return s.log.has("cancelled the consumer") })
	close(letGo)
	elapse(300 * time.Millisecond)
	s.queues(rabbitmqtest.QueueOptions{})
	s.send("after")
	s.eventually("the new queue is read", func() bool { return slices.Contains(r.messages(), "after") })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	if r.counts(esm.PollingErrorCount) == 0 {
		s.t.Error("nobody heard of it")
	}
}

// A batch whose connection is cut while it is handled comes again, and nothing else is
// settled in its place (M1). No retry begins with what is not held any more (M9).
func connectionCut(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(6)...)
	var calls atomic.Int32
	began, cut := make(chan struct{}, 1), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 3, RetryBackoff: promptly()}, func(context.Context, []string) error {
		if calls.Add(1) == 1 {
			began <- struct{}{}
			<-cut
		}
		return nil
	})
	<-began
	s.cut()
	s.eventually("it is told", func() bool { return s.log.has("the link to the broker ended") })
	close(cut)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 6 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	one, two := numbers(6)[:3], numbers(6)[3:]
	equalBatches(s.t, r.handled(), one, one, two)
	if left := s.take(s.queue); len(left) > 0 || r.counts(esm.StaleEventCount) != 3 || r.redelivered() < 3 {
		s.t.Errorf("left %q, %d stale, %d redelivered", bodiesOf(left), r.counts(esm.StaleEventCount), r.redelivered())
	}
}

// No retry begins with what came over a connection that is gone (M9): all that is handled
// from then on came again.
func cutInRetry(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(3)...)
	var calls atomic.Int32
	began, cut := make(chan struct{}, 1), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 3, RetryBackoff: promptly()}, func(context.Context, []string) error {
		switch calls.Add(1) {
		case 1:
			began <- struct{}{}
			<-cut
			return errHandler
		case 2, 3:
			return errHandler
		default:
			return nil
		}
	})
	<-began
	s.cut()
	s.eventually("it is told", func() bool { return s.log.has("the link to the broker ended") })
	close(cut)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 3 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	if n, all := r.redelivered(), len(r.messages()); n != all-3 {
		s.t.Errorf("%d of %d were redelivered: all but the first three should", n, all)
	}
}

// What did not fit into a batch that is tried again comes behind it, in order, and without
// having been given back to the broker (MQ-26, M5).
func restKeepsOrder(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	for _, n := range numbers(9) {
		s.send(strings.Repeat(n, 700))
	}
	var calls atomic.Int32
	r := s.run(esm.Config{BatchSize: 5, MaximumBatchBytes: 3000, RetryBackoff: promptly()}, func(context.Context, []string) error {
		if calls.Add(1)%3 != 0 {
			return errHandler
		}
		return nil
	})
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 9 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	var order strings.Builder
	for i, batch := range r.handled() {
		for _, body := range batch {
			if i%3 == 2 {
				order.WriteString(body[:1])
			}
		}
	}
	if order.String() != "012345678" || r.redelivered() > 0 {
		s.t.Errorf("handled %s, %d redelivered", order.String(), r.redelivered())
	}
}

// Two mappings share a queue.
func twoMappings(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	one := s.run(esm.Config{BatchSize: 10}, nil)
	two := s.run(esm.Config{BatchSize: 10}, nil)
	s.eventually("both consume", func() bool { return strings.Count(s.log.String(), "msg=consuming") == 2 })
	s.send(numbers(200)...)
	s.eventually("all are handled", func() bool {
		return one.counts(esm.DeletedEventCount)+two.counts(esm.DeletedEventCount) == 200
	})
	if err := one.stop(); err != nil {
		s.t.Error(err)
	}
	if err := two.stop(); err != nil {
		s.t.Error(err)
	}
	all := append(one.messages(), two.messages()...)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) != 200 || len(one.messages()) == 0 || len(two.messages()) == 0 {
		s.t.Errorf("%d of 200, %d by one, %d by the other", len(all), len(one.messages()), len(two.messages()))
	}
}

// Before the broker's consumer timeout strikes the batch is given back and fetched anew,
// which the log says (M9).
func heldNearTimeout(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.options.ConsumerTimeout = 4 * time.Second // the broker's is 8 s
	s.send(numbers(4)...)
	var healed atomic.Bool
	r := s.run(esm.Config{BatchSize: 2, Timeout: time.Second, RetryBackoff: promptly()}, func(context.Context, []string) error {
		if healed.Load() {
			return nil
		}
		return errHandler
	})
	s.eventually("it is given back", func() bool { return s.log.has("given back and fetched anew") })
	s.eventually("it comes again", func() bool { return r.redelivered() > 0 })
	healed.Store(true)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 4 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	batches := slices.CompactFunc(r.handled(), slices.Equal)
	equalBatches(s.t, batches, []string{"0", "1"}, []string{"2", "3"})
	if s.log.has("timed out") || r.counts(esm.PollingErrorCount) > 0 {
		s.t.Errorf("the consumer timeout struck:\n%s", s.log)
	}
}

// Where the option does not know the broker's timeout, the loss of the channel is told in
// plain words, and reading goes on (M9).
func heldPastTimeout(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(2)...)
	var healed atomic.Bool
	r := s.run(esm.Config{RetryBackoff: promptly(), Timeout: time.Minute}, func(context.Context, []string) error {
		if healed.Load() {
			return nil
		}
		return errHandler
	})
	s.eventually("it is told", func() bool { return s.log.has("longer than the broker's consumer_timeout") })
	healed.Store(true)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 2 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
}

// What the filter rejects is acknowledged while what it passes is handled (MQ-31).
func filteredAtOnce(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(`{"n":1}`, `{"n":2}`, `{"n":1}`, `{"n":2}`)
	began, letGo := make(chan struct{}, 1), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 2, FilterCriteria: patterns(`{"data":{"n":[1]}}`)}, func(context.Context, []string) error {
		began <- struct{}{}
		<-letGo
		return errHandler
	})
	<-began
	s.cut() // what is acknowledged does not come again
	close(letGo)
	s.eventually("the others come again", func() bool { return r.redelivered() >= 2 })
	_ = r.stop()
	for _, batch := range r.handled() {
		equalTexts(s.t, "batch", batch, `{"n":1}`, `{"n":1}`)
	}
	left := bodiesOf(s.take(s.queue))
	if slices.Contains(left, `{"n":2}`) != (len(left) == 3) { // the last one came after the batch was full
		s.t.Errorf("left %q", left)
	}
	if slices.Contains(left[:2], `{"n":2}`) {
		s.t.Errorf("left %q", left)
	}
}

// A lane that is done acknowledges nothing of another's (M2).
func ackOfLanes(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(6)...)
	letGo := make(chan struct{})
	var slow atomic.Pointer[[]string]
	r := s.run(esm.Config{BatchSize: 3, MaximumConcurrency: 2, DrainTimeout: 100 * time.Millisecond}, func(ctx context.Context, bodies []string) error {
		if slices.Contains(bodies, "0") {
			slow.Store(&bodies)
			select {
			case <-letGo:
			case <-ctx.Done():
			}
			return errHandler
		}
		return nil
	})
	s.eventually("the other lane is done", func() bool { return r.counts(esm.DeletedEventCount) == 3 })
	_ = r.stop()
	close(letGo)
	equalTexts(s.t, "left", bodiesOf(s.take(s.queue)), *slow.Load()...)
}

// Responses are not looked at (MQ-94).
func partialIsIgnored(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send("a")
	r := s.runBytes(`{"batchItemFailures":[{"itemIdentifier":"a"}]}`)
	s.eventually("it is settled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	if n := len(s.take(s.queue)); n > 0 || len(r.documents()) != 1 {
		s.t.Errorf("%d left, %d invocations", n, len(r.documents()))
	}
}
