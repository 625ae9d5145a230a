package wirefake

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

const maxRequest = 32 << 20 // bytes; more than any legal request

// Server answers the calls of a fake, over HTTP in memory. Make one with [New],
// inside the synctest bubble if there is one. Its methods may be called
// concurrently, Gated and Later with the fake's mutex held.
type Server[R, C, F any] struct {
	service  Service[R, C, F]
	http     *memhttp.Server
	closed   chan struct{}
	once     sync.Once
	requests atomic.Uint64 // answers so far

	// What is to go wrong, and the calls so far, by action; the fake's mutex guards
	// all of it.
	calls  map[string]int
	script map[string][]F
	hook   func(C) F
	gate   Gate[C, F]
}

// New starts a server. The caller closes it.
func New[R, C, F any](service Service[R, C, F]) *Server[R, C, F] {
	s := &Server[R, C, F]{
		service: service, closed: make(chan struct{}), calls: make(map[string]int), script: make(map[string][]F),
	}
	s.http = memhttp.New(s)
	return s
}

// Config configures an SDK client for the fake, in the region: dummy credentials,
// and one attempt a call, so that faults reach the caller.
func (s *Server[R, C, F]) Config(region string) aws.Config {
	endpoint := s.URL()
	return aws.Config{
		Region: region, BaseEndpoint: &endpoint, HTTPClient: s.HTTPClient(), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	}
}

// HTTPClient returns the HTTP client that reaches the server, whatever the host.
func (s *Server[R, C, F]) HTTPClient() *http.Client { return s.http.Client() }

// URL returns the endpoint of the server.
func (s *Server[R, C, F]) URL() string { return s.http.URL() }

// Closed is closed when the server is: calls that wait give up.
func (s *Server[R, C, F]) Closed() <-chan struct{} { return s.closed }

// Close has the calls that wait give up, cuts all connections and waits for the
// calls under way. No goroutine is left. Closing again is harmless.
func (s *Server[R, C, F]) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.http.Close()
}

// ServeHTTP answers one call of the AWS JSON protocol.
func (s *Server[R, C, F]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := ReadBody(w, r, maxRequest)
	if err != nil {
		s.refuse(w, unreadable("The request could not be read"))
		return
	}
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), s.service.Target)
	a := attempt[R, C, F]{
		service: &s.service, req: s.service.New(action), from: Origin{Action: action, Scheme: "http", Host: r.Host},
	}
	if r.TLS != nil {
		a.from.Scheme = "https"
	}
	if any(a.req) == nil {
		s.refuse(w, unknownOperation(action))
		return
	}
	if err := s.decode(body, a.req); err != nil {
		s.refuse(w, unreadable("The request is not valid JSON for "+action+": "+err.Error()))
		return
	}
	s.answer(w, r, &a)
}

func (s *Server[R, C, F]) decode(body []byte, into any) error {
	if !s.service.Strict {
		return json.Unmarshal(body, into)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// answer has the call pass, and answers it as its fault has it.
func (s *Server[R, C, F]) answer(w http.ResponseWriter, r *http.Request, a *attempt[R, C, F]) {
	defer func() {
		if a.Done != nil {
			a.Done()
		}
	}()
	s.pass(r.Context(), a)
	if a.Wait != nil {
		a.Body, a.Err = a.Wait()
	}
	s.pause(r.Context(), a.plan.Delay)
	switch {
	case a.cut():
		panic(http.ErrAbortHandler) // how net/http is told to cut the connection
	case a.Err != nil:
		s.refuse(w, a.Err)
	case a.Stream != nil:
		a.Stream(r.Context(), w)
	default:
		s.write(w, http.StatusOK, a.Body)
	}
}

// refuse answers with an error.
func (s *Server[R, C, F]) refuse(w http.ResponseWriter, err error) {
	e := s.service.Refuse(w.Header(), err)
	s.write(w, e.Status, e.Body())
}

// write sends the answer. A client that went away is no concern of the fake.
func (s *Server[R, C, F]) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if s.service.Checksum {
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	s.Begin(w, s.service.ContentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error is no concern, see above
}

// Begin sets the headers that every answer has.
func (s *Server[R, C, F]) Begin(w http.ResponseWriter, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", UUID(s.requests.Add(1)))
}

// attempt is one call on its way.
type attempt[R, C, F any] struct {
	Answer

	service *Service[R, C, F]
	from    Origin
	req     R
	passed  bool
	plan    Plan
}

// do has the call take effect.
func (a *attempt[R, C, F]) do(ctx context.Context, fault F) {
	a.passed, a.plan = true, a.service.Plan(fault)
	switch {
	case a.plan.Cut == CutBefore:
	case a.plan.Err != nil:
		a.Err = a.plan.Err
	case a.plan.Answer != nil:
		a.Body = []byte(*a.plan.Answer)
	default:
		a.Answer = a.service.Do(ctx, a.from, a.req, fault)
	}
}

// cut says whether the connection is to be cut.
func (a *attempt[R, C, F]) cut() bool {
	return !a.passed || a.plan.Cut == CutBefore || a.plan.Cut == CutAfter && a.plan.Err == nil
}
