package memhttp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

// shutter is a body as the AWS SDK makes it: once it is closed, all that looks
// for its end gets io.EOF, also where that is an error.
type shutter struct {
	mu     sync.Mutex
	body   *bytes.Reader
	closed bool
}

func (s *shutter) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.EOF
	}
	return s.body.Read(b)
}

func (s *shutter) WriteTo(w io.Writer) (int64, error) {
	time.Sleep(time.Millisecond) // so that an answer that can come does
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.EOF
	}
	return s.body.WriteTo(w)
}

func (s *shutter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// TestRequestBodyClosedAtTheAnswer closes each request's body as soon as the
// answer's header is there, as the AWS SDK does. The answer's body can be read
// nevertheless.
func TestRequestBodyClosedAtTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := memhttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for range 3 {
				_, _ = io.WriteString(w, "answer")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		}))
		defer func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		for _, size := range []int{1, 100, 100_000, 1_000_000} {
			body := &shutter{body: bytes.NewReader(make([]byte, size))}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = int64(size)
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			_ = body.Close()
			text, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err != nil || string(text) != "answeransweranswer" {
				t.Errorf("%d bytes: answer %q, %v", size, text, err)
			}
		}
	})
}

// TestWrongRequestBody sends bodies that are not what they say.
func TestWrongRequestBody(t *testing.T) {
	t.Parallel()
	server := memhttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	gone := errors.New("gone")
	for i, c := range []struct {
		body   io.Reader
		length int64
		fine   bool
	}{
		{strings.NewReader("abc"), 3, true},
		{iotest.OneByteReader(strings.NewReader("abc")), 3, true},
		{iotest.OneByteReader(strings.NewReader("abc")), -1, true}, // in chunks
		{strings.NewReader("abc"), 2, false},
		{strings.NewReader("abc"), 4, false},
		{iotest.ErrReader(gone), 3, false},
	} {
		body := &shutter{body: bytes.NewReader(nil)}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), struct {
			io.Reader
			io.Closer
		}{c.body, body})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = c.length
		answer, err := server.Client().Do(r)
		if (err == nil) != c.fine {
			t.Errorf("%s: %v, want it fine: %v", fmt.Sprint("body ", i), err, c.fine)
		}
		if err == nil {
			_ = answer.Body.Close()
		}
		if !body.closed {
			t.Errorf("body %d was not closed", i)
		}
	}
}
