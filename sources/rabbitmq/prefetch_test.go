package rabbitmq_test

import (
	"context"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// No more is fetched than the batch in hand needs (M5, M22).
func prefetchOfABatch(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(50)...)
	began, letGo := make(chan struct{}, 10), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 10, MaximumBatchingWindow: 30 * time.Second}, func(context.Context, []string) error {
		began <- struct{}{}
		<-letGo
		return nil
	})
	<-began
	if n := s.ready(s.queue); n != 40 {
		s.t.Errorf("%d wait, want 40", n)
	}
	close(letGo)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 50 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	for _, batch := range r.handled() {
		if len(batch) != 10 {
			s.t.Errorf("a batch of %d", len(batch))
		}
	}
}

// Each lane has a batch (M22).
func prefetchOfLanes(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(50)...)
	began, letGo := make(chan struct{}, 10), make(chan struct{})
	r := s.run(esm.Config{BatchSize: 10, MaximumConcurrency: 3}, func(context.Context, []string) error {
		began <- struct{}{}
		<-letGo
		return nil
	})
	for range 3 {
		<-began
	}
	if n := s.ready(s.queue); n != 20 {
		s.t.Errorf("%d wait, want 20", n)
	}
	close(letGo)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 50 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
}
