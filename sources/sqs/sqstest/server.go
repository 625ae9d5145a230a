package sqstest

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

const (
	// Region is the region of queues made with CreateQueue.
	Region = "eu-west-1"
	// Account is the account of queues made with CreateQueue, and of the
	// callers.
	Account = "123456789012"

	contentType = "application/x-amz-json-1.0"
	maxRequest  = 16 << 20 // bytes; more than any legal request
)

// Server is a fake of Amazon SQS: an [http.Handler] that speaks AWS JSON 1.0,
// and an in-memory HTTP server that serves it. Make one with [New], inside the
// synctest bubble if there is one. All methods may be called concurrently.
type Server struct {
	http   *memhttp.Server
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex // held for moments, never while anything waits
	queues   map[string]*queue
	created  uint64 // queues so far
	messages uint64 // messages so far
	requests uint64 // calls so far
	limit    int    // in-flight messages a queue
	faults   *wirefake.Faults[Call, Fault]
	gate     Gate        // nil for none
	watch    func(Event) // nil for none
}

// New starts an empty fake. The caller closes it.
func New() *Server {
	s := &Server{
		closed: make(chan struct{}),
		queues: make(map[string]*queue),
		limit:  maxInFlight,
	}
	s.faults = wirefake.NewFaults[Call, Fault](&s.mu)
	s.http = memhttp.New(s)
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with
// one attempt a call, so that faults reach the caller; optFns may change that.
func (s *Server) Client(optFns ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{
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

// Close ends every long poll, cuts all connections and waits for the calls
// under way. No goroutine is left. Closing again is harmless.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.closed) })
	err := s.http.Close()
	s.stopTimers()
	return err
}

// ServeHTTP answers one call of the AWS JSON 1.0 protocol. Queue URLs that it
// gives out name the host that the call was made to.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := wirefake.ReadBody(w, r, maxRequest)
	if err != nil {
		s.reject(w, invalid("SerializationException", "The request could not be read"))
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
	a := attempt{ctx: r.Context(), req: req, x: exchange{server: s, base: baseURL(r), host: r.Host}}
	s.faults.Pass(r.Context(), wirefake.Attempt[Call, Fault]{
		Action:   action,
		Describe: func(number int) Call { return s.describe(&a, action, number) },
		Do:       a.do,
	})
	a.await()
	wirefake.Pause(r.Context(), s.closed, a.fault.Delay)
	switch {
	case a.cut():
		panic(http.ErrAbortHandler) // how net/http is told to cut the connection
	case a.err != nil:
		s.reject(w, asError(a.err))
	default:
		s.write(w, http.StatusOK, a.body)
	}
}

// reject answers with an error.
func (s *Server) reject(w http.ResponseWriter, e *Error) {
	w.Header().Set("X-Amzn-Query-Error", e.query())
	s.write(w, e.Status, e.body())
}

// write sends the answer. A client that went away is no concern of the fake.
func (s *Server) write(w http.ResponseWriter, status int, body []byte) {
	s.mu.Lock()
	s.requests++
	id := wirefake.UUID(s.requests)
	s.mu.Unlock()
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Amzn-Requestid", id)
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // an error is no concern, see above; nobody reads the JSON as HTML
}

// baseURL is the scheme and host that the caller used.
func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
