package dynamodbstreamstest

import (
	"context"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	// Region is the region of the server's tables.
	Region = "eu-west-1"
	// Account is the account of the server's tables.
	Account = "123456789012"

	target      = "DynamoDBStreams_20120810."
	contentType = "application/x-amz-json-1.0"
)

// Server is a fake of Amazon DynamoDB Streams: an [http.Handler] that speaks
// AWS JSON 1.0, and an in-memory HTTP server that serves it. Make one with
// [New], inside the synctest bubble if there is one. All methods may be called
// concurrently.
type Server struct {
	wire *wirefake.Server[request, Call, Fault]

	mu        sync.Mutex // held for moments, never while anything waits
	tables    map[string]*table
	streams   []*stream // all that there are, oldest first
	made      int       // streams so far
	shards    int       // shards so far
	events    int       // records so far
	unordered bool
	ageless   bool
	exact     bool // times are told in milliseconds
	limits    bool
	describes rate
	watch     func(Event) // nil for none
}

// New starts an empty fake. The caller closes it.
func New() *Server {
	s := &Server{tables: make(map[string]*table)}
	s.wire = wirefake.New(wirefake.Service[request, Call, Fault]{
		Target: target, ContentType: contentType, Strict: true, Checksum: true, Mutex: &s.mu,
		New: newRequest, Describe: s.describe, Do: s.do, Plan: Fault.plan, Refuse: refuse,
	})
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with
// one attempt a call, so that faults reach the caller; optFns may change that.
func (s *Server) Client(optFns ...func(*dynamodbstreams.Options)) *dynamodbstreams.Client {
	return dynamodbstreams.NewFromConfig(s.wire.Config(Region), optFns...)
}

// HTTPClient returns the HTTP client that reaches the in-memory server, for
// SDK clients that are configured otherwise. Its transport ignores the host.
func (s *Server) HTTPClient() *http.Client { return s.wire.HTTPClient() }

// URL returns the endpoint of the in-memory server.
func (s *Server) URL() string { return s.wire.URL() }

// Close cuts all connections and waits for the calls under way. No goroutine is
// left. Closing again is harmless.
func (s *Server) Close() error { return s.wire.Close() }

// ServeHTTP answers one call of the AWS JSON 1.0 protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.wire.ServeHTTP(w, r) }

// describe tells what the call is. The mutex is held.
func (s *Server) describe(from wirefake.Origin, req request) Call {
	call := Call{Action: from.Action, Host: from.Host, Number: from.Number}
	req.describe(s, &call)
	return call
}

// do has a call take effect.
func (s *Server) do(_ context.Context, from wirefake.Origin, req request, fault Fault) wirefake.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age()
	body, err := req.run(exchange{server: s, fault: fault, host: from.Host})
	return wirefake.Answer{Body: body, Err: err}
}
