package rabbitmq_test

import (
	"context"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// refused runs a mapping that cannot work, and returns what ends it.
func (s *site) refused() string {
	s.t.Helper()
	began := time.Now()
	r := s.run(esm.Config{}, nil)
	err := r.wait()
	r.cancel()
	if err == nil {
		s.t.Fatal("Run ends without an error")
	}
	if took := time.Since(began); took > 20*time.Second {
		s.t.Errorf("told after %v", took)
	}
	for _, text := range []string{err.Error(), s.log.String()} {
		if strings.Contains(text, "hidden") {
			s.t.Errorf("a secret: %s", text)
		}
	}
	return err.Error()
}

func (s *site) wantRefusal(want ...string) {
	s.t.Helper()
	got := s.refused()
	for _, text := range want {
		if !strings.Contains(got, text) {
			s.t.Errorf("error %q lacks %q", got, text)
		}
	}
}

func streamRefused(s *site) {
	s.declare(s.queue, rabbitmqtest.QueueOptions{Stream: true})
	s.options.Queue = s.queue
	s.wantRefusal(s.queue, "is a stream: only classic and quorum queues can be read")
}

func missingQueue(s *site) {
	s.options.Queue = "missing"
	s.wantRefusal(`queue "missing" of virtual host "/"`, "NOT_FOUND")
}

func missingVirtualHost(s *site) {
	s.options.Queue, s.options.VirtualHost = s.queue, "missing"
	s.wantRefusal(`virtual host "missing"`, "not found")
}

func wrongPassword(s *site) {
	s.options.Queue, s.options.Access = s.queue, func(context.Context) (login rabbitmqLogin, err error) {
		return rabbitmqLogin{Username: "guest", Password: "hidden"}, nil
	}
	s.wantRefusal("username or password refused of user guest")
}
