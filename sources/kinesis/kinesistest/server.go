package kinesistest

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	// Region is the region of streams that a call or a caller names without an
	// ARN.
	Region = "eu-west-1"
	// Account is the account of such streams.
	Account = "123456789012"

	contentType = "application/x-amz-json-1.1"
)

// Server is a fake of Amazon Kinesis Data Streams: an [http.Handler] that
// speaks AWS JSON 1.1, and an in-memory HTTP server that serves it. Make one
// with [New], inside the synctest bubble if there is one. All methods may be
// called concurrently.
type Server struct {
	wire *wirefake.Server[request, Call, Fault]

	mu      sync.Mutex         // held for moments, never while anything waits
	streams map[string]*stream // by ARN
	byID    map[uint64]*stream
	created uint64 // streams so far
	first   string // sequence number that new streams start after, "" for the usual one
	limits  bool
	watch   func(Event) // nil for none
}

// New starts an empty fake. The caller closes it.
func New() *Server {
	s := &Server{streams: make(map[string]*stream), byID: make(map[uint64]*stream)}
	s.wire = wirefake.New(wirefake.Service[request, Call, Fault]{
		Target: "Kinesis_20131202.", ContentType: contentType, Mutex: &s.mu,
		New: newRequest, Describe: s.describe, Do: s.do, Plan: Fault.plan, Refuse: refuse,
	})
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with
// one attempt a call, so that faults reach the caller; optFns may change that.
func (s *Server) Client(optFns ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.NewFromConfig(s.wire.Config(Region), optFns...)
}

// HTTPClient returns the HTTP client that reaches the in-memory server, for
// SDK clients that are configured otherwise. Its transport ignores the host.
func (s *Server) HTTPClient() *http.Client { return s.wire.HTTPClient() }

// URL returns the endpoint of the in-memory server.
func (s *Server) URL() string { return s.wire.URL() }

// Close cuts all connections, those of subscriptions too, and waits for the
// calls under way. No goroutine is left. Closing again is harmless.
func (s *Server) Close() error { return s.wire.Close() }

// ServeHTTP answers one call of the AWS JSON 1.1 protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.wire.ServeHTTP(w, r) }

// describe tells what the call is. The mutex is held.
func (s *Server) describe(from wirefake.Origin, req request) Call {
	call := Call{Action: from.Action, Host: from.Host, Number: from.Number}
	req.describe(s, &call)
	return call
}

// do has a call take effect. That of a subscription lasts until its client
// leaves.
func (s *Server) do(_ context.Context, from wirefake.Origin, req request, fault Fault) wirefake.Answer {
	body, err := req.run(exchange{server: s, fault: fault, host: from.Host})
	r, ok := req.(*subscribeToShard)
	if !ok || r.sub == nil {
		return wirefake.Answer{Body: body, Err: err, Done: func() { release(body) }}
	}
	return wirefake.Answer{
		Stream: func(ctx context.Context, w http.ResponseWriter) {
			s.wire.Begin(w, eventStreamType)
			s.push(ctx, w, r.sub, fault.Stream)
		},
		Done: r.sub.abandon,
	}
}
