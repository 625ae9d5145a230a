package memhttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// transport has each request written at once.
//
// The AWS SDK closes a request's body as soon as the answer's header is there.
// If [http.Transport] still looks for the body's end then, as it does after it
// wrote the last byte, it takes that for an error and closes the connection,
// the answer's body unread (aws-sdk-go-v2 issue 2737). Over a network the
// answer is never that fast; in memory it is. A body of known length is
// therefore read before anything is written.
type transport struct {
	*http.Transport
}

// RoundTrip does the request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.ContentLength <= 0 {
		return t.Transport.RoundTrip(r)
	}
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	whole := r.WithContext(r.Context())
	whole.Body = io.NopCloser(bytes.NewReader(body))
	return t.Transport.RoundTrip(whole)
}

// readBody reads and closes the body of a request, which must be as long as it
// says.
func readBody(r *http.Request) ([]byte, error) {
	body := make([]byte, r.ContentLength)
	n, err := io.ReadFull(r.Body, body)
	if err == nil {
		var more [1]byte
		if extra, _ := r.Body.Read(more[:]); extra > 0 {
			n++
		}
	}
	closeErr := r.Body.Close()
	switch {
	case err == io.ErrUnexpectedEOF || err == io.EOF || int64(n) > r.ContentLength:
		return nil, fmt.Errorf("memhttp: the request's body does not have the %d bytes of its ContentLength", r.ContentLength)
	case err != nil:
		return nil, err
	}
	return body, closeErr
}
