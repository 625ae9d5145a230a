package sqstest

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	// Region is the region of queues made with CreateQueue.
	Region = "eu-west-1"
	// Account is the account of queues made with CreateQueue, and of the
	// callers.
	Account = "123456789012"
)

// Server is a fake of Amazon SQS: an [http.Handler] that speaks AWS JSON 1.0,
// and an in-memory HTTP server that serves it. Make one with [New], inside the
// synctest bubble if there is one. All methods may be called concurrently.
type Server struct {
	wire *wirefake.Server[request, Call, Fault]

	mu       sync.Mutex // held for moments, never while anything waits
	queues   map[string]*queue
	created  uint64      // queues so far
	messages uint64      // messages so far
	limit    int         // in-flight messages a queue
	watch    func(Event) // nil for none
}

// New starts an empty fake. The caller closes it.
func New() *Server {
	s := &Server{queues: make(map[string]*queue), limit: maxInFlight}
	s.wire = wirefake.New(wirefake.Service[request, Call, Fault]{
		Target: "AmazonSQS.", ContentType: "application/x-amz-json-1.0", Mutex: &s.mu,
		New: newRequest, Describe: s.describe, Do: s.do, Plan: Fault.plan, Refuse: refuse,
	})
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with
// one attempt a call, so that faults reach the caller; optFns may change that.
func (s *Server) Client(optFns ...func(*sqs.Options)) *sqs.Client {
	return sqs.NewFromConfig(s.wire.Config(Region), optFns...)
}

// HTTPClient returns the HTTP client that reaches the in-memory server, for
// SDK clients that are configured otherwise. Its transport ignores the host.
func (s *Server) HTTPClient() *http.Client { return s.wire.HTTPClient() }

// URL returns the endpoint of the in-memory server.
func (s *Server) URL() string { return s.wire.URL() }

// Close ends every long poll, cuts all connections and waits for the calls
// under way. No goroutine is left. Closing again is harmless.
func (s *Server) Close() error {
	err := s.wire.Close()
	s.stopTimers()
	return err
}

// ServeHTTP answers one call of the AWS JSON 1.0 protocol. Queue URLs that it
// gives out name the host that the call was made to.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.wire.ServeHTTP(w, r) }

// do has a call take effect. The answer of a long poll comes later.
func (s *Server) do(ctx context.Context, from wirefake.Origin, req request, fault Fault) wirefake.Answer {
	body, err := req.run(ctx, exchange{server: s, fault: fault, base: from.Scheme + "://" + from.Host, host: from.Host})
	answer := wirefake.Answer{Body: body, Err: err}
	if r, ok := req.(*receiveMessage); ok && r.waiter != nil {
		answer.Wait = func() ([]byte, error) { return r.await(s) }
	}
	return answer
}
