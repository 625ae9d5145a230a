// Package destinationtest tests destinations: mappings of an in-memory stream with
// records that fail, in virtual time, against a fake of the destination's service
// that speaks its wire protocol and misbehaves.
package destinationtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Wire is how a service takes documents.
type Wire struct {
	// Take answers a call with success and returns what it delivers: the document,
	// and where it went if that varies. delivers is false for a call that prepares
	// a delivery.
	Take func(w http.ResponseWriter, r *http.Request, body []byte) (document, place string, delivers bool)
	// Refuse answers a call with an error of the service.
	Refuse func(w http.ResponseWriter, status int, code, message string)
	// Checks reports whether a call is one of the check at the start, and answers it
	// with success unless w is nil.
	Checks func(w http.ResponseWriter, r *http.Request, body []byte) bool
}

// Trouble is what happens to a call.
type Trouble struct {
	// Delay passes before anything else.
	Delay time.Duration
	// Status and Code refuse the call.
	Status int
	Code   string
	// Empty answers with success and nothing else; the call has no effect.
	Empty bool
	// Cut closes the connection: before the call has an effect, or after it.
	Cut, Lose bool
}

// secret stands in the message of every refusal; no error may repeat it.
const secret = "what the service says"

// service is a fake service.
type service struct {
	wire    Wire
	trouble func(call int) Trouble
	check   Trouble // of the first call that checks

	mu        sync.Mutex
	checks    int
	calls     int
	documents []string
	places    []string
}

// ServeHTTP answers one call.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	checks := s.wire.Checks(nil, r, body)
	trouble := s.count(checks)
	if trouble.Delay > 0 && !wait(r, trouble.Delay) {
		return
	}
	switch {
	case trouble.Cut:
		panic(http.ErrAbortHandler)
	case trouble.Empty:
		return
	case trouble.Status > 0:
		s.wire.Refuse(w, trouble.Status, trouble.Code, "denied to "+secret)
		return
	case checks:
		s.wire.Checks(w, r, body)
		return
	}
	document, place, delivers := s.wire.Take(w, r, body)
	if delivers {
		s.mu.Lock()
		s.documents = append(s.documents, document)
		s.places = append(s.places, place)
		s.mu.Unlock()
	}
	if trouble.Lose {
		panic(http.ErrAbortHandler)
	}
}

// count counts a call, and returns what happens to it.
func (s *service) count(checks bool) Trouble {
	s.mu.Lock()
	defer s.mu.Unlock()
	if checks {
		s.checks++
		if s.checks > 1 {
			return Trouble{}
		}
		return s.check
	}
	s.calls++
	if s.trouble == nil {
		return Trouble{}
	}
	return s.trouble(s.calls)
}

// wait waits unless the client goes away first.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// got returns what was delivered, where to, and how many calls there were.
func (s *service) got() (documents, places []string, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.documents, s.places, s.calls
}

// RefuseJSON is Refuse of the AWS JSON protocols.
func RefuseJSON(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":%q,"message":%q}`, code, message) // the client may have gone
}

// RefuseXML is Refuse of the AWS protocols that answer XML: S3's own form, and that
// of the query protocol inside ErrorResponse.
func RefuseXML(query bool) func(w http.ResponseWriter, status int, code, message string) {
	return func(w http.ResponseWriter, status int, code, message string) {
		text := fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
		if query {
			text = "<ErrorResponse>" + text + "<RequestId>1</RequestId></ErrorResponse>"
		}
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = io.Copy(w, strings.NewReader(text)) // the client may have gone
	}
}
