package kinesistest

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

const (
	// Region is the region of streams that a call or a caller names without an
	// ARN.
	Region = "eu-west-1"
	// Account is the account of such streams.
	Account = "123456789012"

	contentType = "application/x-amz-json-1.1"
	maxRequest  = 32 << 20 // bytes; more than any legal request
)

// Server is a fake of Amazon Kinesis Data Streams: an [http.Handler] that
// speaks AWS JSON 1.1, and an in-memory HTTP server that serves it. Make one
// with [New], inside the synctest bubble if there is one. All methods may be
// called concurrently.
type Server struct {
	http   *memhttp.Server
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex         // held for moments, never while anything waits
	streams  map[string]*stream // by ARN
	byID     map[uint64]*stream
	created  uint64 // streams so far
	requests uint64 // calls so far
	first    string // sequence number that new streams start after, "" for the usual one
	limits   bool
	faults   *wirefake.Faults[Call, Fault]
	gate     Gate        // nil for none
	watch    func(Event) // nil for none
}

// New starts an empty fake. The caller closes it.
func New() *Server {
	s := &Server{closed: make(chan struct{}), streams: make(map[string]*stream), byID: make(map[uint64]*stream)}
	s.faults = wirefake.NewFaults[Call, Fault](&s.mu)
	s.http = memhttp.New(s)
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with
// one attempt a call, so that faults reach the caller; optFns may change that.
func (s *Server) Client(optFns ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region:           Region,
		BaseEndpoint:     aws.String(s.http.URL()),
		HTTPClient:       s.http.Client(),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	}, optFns...)
}

// HTTPClient returns the HTTP client that reaches the in-memory server, for
// SDK clients that are configured otherwise. Its transport ignores the host.
func (s *Server) HTTPClient() *http.Client { return s.http.Client() }

// URL returns the endpoint of the in-memory server.
func (s *Server) URL() string { return s.http.URL() }

// Close cuts all connections, those of subscriptions too, and waits for the
// calls under way. No goroutine is left. Closing again is harmless.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.http.Close()
}

// ServeHTTP answers one call of the AWS JSON 1.1 protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := wirefake.ReadBody(w, r, maxRequest)
	if err != nil {
		s.reject(w, coral("SerializationException", "The request could not be read"))
		return
	}
	action, req, err := parseRequest(r.Header.Get("X-Amz-Target"), body)
	if err != nil {
		s.reject(w, asError(err))
		return
	}
	s.answer(w, r, action, req)
}

// answer does the call with the fault that was chosen for it, if any.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, action string, req request) {
	a := attempt{req: req, x: exchange{server: s, host: r.Host}}
	defer a.leave()
	s.faults.Pass(r.Context(), wirefake.Attempt[Call, Fault]{
		Action:   action,
		Describe: func(number int) Call { return s.describe(&a, action, number) },
		Do:       a.do,
	})
	wirefake.Pause(r.Context(), s.closed, a.fault.Delay)
	switch {
	case a.cut():
		panic(http.ErrAbortHandler) // how net/http is told to cut the connection
	case a.err != nil:
		s.reject(w, asError(a.err))
	case a.sub() != nil:
		s.header(w, eventStreamType)
		s.push(r.Context(), w, a.sub(), a.fault.Stream)
	default:
		s.write(w, http.StatusOK, a.body)
		release(a.body)
	}
}

// reject answers with an error.
func (s *Server) reject(w http.ResponseWriter, e *Error) { s.write(w, e.Status, e.body()) }

// write sends the answer. A client that went away is no concern of the fake.
func (s *Server) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	s.header(w, contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // an error is no concern, see above; nobody reads the JSON as HTML
}

// header sets the headers that every answer has.
func (s *Server) header(w http.ResponseWriter, kind string) {
	s.mu.Lock()
	s.requests++
	id := wirefake.UUID(s.requests)
	s.mu.Unlock()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Amzn-Requestid", id)
}
