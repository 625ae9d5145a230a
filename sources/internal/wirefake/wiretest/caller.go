package wiretest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// Caller makes calls of a fake by hand, and holds each answer to the protocol.
type Caller struct {
	T      *testing.T
	Server http.Handler
	// Target is what the X-Amz-Target header says before the action.
	Target string
	// ContentType is that of the answers.
	ContentType string
	// Unit is that of the times to wait in a script.
	Unit time.Duration
	// Names are what a script's words that begin with $ stand for.
	Names map[string]string
	// Answered looks at an answer that is no error, and returns what $0 to $9 of
	// the script are to stand for, after what was returned before.
	Answered func(answer map[string]any) []string
	// Failed, if not nil, looks at the headers and the type of an error.
	Failed func(h http.Header, kind string)
	// Streamed, if not nil, reads an answer of another content type.
	Streamed func(contentType string, body io.Reader)
	// End, if not nil, looks at the fake after the last call.
	End func()

	kept []string
}

const (
	maxCalls = 30 // of a script
	maxKept  = 10
	maxWait  = 1e5 * time.Second
	patience = time.Minute // with a call
)

// Fuzz makes any call at first, and then those of a script, each line of which is
// an action and its JSON, or a time to wait. Nothing panics and nothing hangs, and
// every answer is one that the SDK can read. Start starts a fake in a bubble, and
// has it closed at the end of the test.
func Fuzz(f *testing.F, start func(t *testing.T) *Caller) {
	f.Helper()
	f.Fuzz(func(t *testing.T, target string, body []byte, length int64, script string) {
		synctest.Test(t, func(t *testing.T) {
			c := start(t)
			c.call(target, bytes.NewReader(body), length)
			c.call(target, bytes.NewReader(body), int64(len(body)))
			c.call(target, iotest.ErrReader(errors.New("gone")), int64(len(body)))
			for _, line := range strings.SplitN(script, "\n", maxCalls) {
				c.play(line)
			}
			if c.End != nil {
				c.End()
			}
		})
	})
}

// play does one line of a script.
func (c *Caller) play(line string) {
	c.T.Helper()
	if n, err := strconv.Atoi(line); err == nil {
		time.Sleep(time.Duration(min(max(n, 0), int(maxWait/c.Unit))) * c.Unit) //nolint:forbidigo // in a bubble
		return
	}
	action, text, _ := strings.Cut(line, " ")
	for name, value := range c.Names {
		text = strings.ReplaceAll(text, name, value)
	}
	for i, value := range c.kept {
		text = strings.ReplaceAll(text, "$"+strconv.Itoa(i), value)
	}
	c.call(c.Target+action, strings.NewReader(text), int64(len(text)))
}

// post has the server answer one call; it may cut the connection.
func (c *Caller) post(ctx context.Context, target string, body io.Reader, length int64) (w *httptest.ResponseRecorder) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://wire.test/", body)
	r.ContentLength = length
	r.Header["X-Amz-Target"] = []string{target}
	w = httptest.NewRecorder()
	defer func() {
		cut := recover()
		if err, _ := cut.(error); cut != nil && !errors.Is(err, http.ErrAbortHandler) {
			panic(cut) //nolint:forbidigo // a bug of the fake, as it was
		}
	}()
	c.Server.ServeHTTP(w, r)
	return w
}

// Refused makes a call that must fail, and returns status and type of the error.
func (c *Caller) Refused(target, body string) (status int, kind string) {
	c.T.Helper()
	w := c.post(c.T.Context(), target, strings.NewReader(body), int64(len(body)))
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		c.T.Fatalf("%s: answer %q: %v", target, w.Body, err)
	}
	return w.Code, c.failure(target, w, answer)
}

// call makes one call and holds the answer to the protocol. A stream is left when
// the patience is over; any other answer must have come before.
func (c *Caller) call(target string, body io.Reader, length int64) {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(c.T.Context(), patience)
	defer cancel()
	w := c.post(ctx, target, body, length)
	kind := w.Header().Get("Content-Type")
	if w.Header().Get("X-Amzn-Requestid") == "" {
		c.T.Fatalf("%s: header %v", target, w.Header())
	}
	if kind != c.ContentType && c.Streamed != nil {
		c.Streamed(kind, w.Body)
		return
	}
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer == nil {
		c.T.Fatalf("%s: answer %q: %v", target, w.Body, err)
	}
	if kind != c.ContentType || w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) || ctx.Err() != nil {
		c.T.Fatalf("%s: header %v of an answer of %d bytes, %v", target, w.Header(), w.Body.Len(), ctx.Err())
	}
	if w.Code != http.StatusOK {
		c.failure(target, w, answer)
		return
	}
	c.kept = append(c.kept, c.Answered(answer)...)
	c.kept = c.kept[:min(len(c.kept), maxKept)]
}

// failure holds an error to the protocol, and returns its type.
func (c *Caller) failure(target string, w *httptest.ResponseRecorder, answer map[string]any) string {
	c.T.Helper()
	kind, _ := answer["__type"].(string)
	if _, isText := answer["message"].(string); w.Code < 400 || w.Code > 599 || kind == "" || !isText || len(answer) != 2 {
		c.T.Fatalf("%s: status %d, answer %s", target, w.Code, w.Body)
	}
	if c.Failed != nil {
		c.Failed(w.Header(), kind)
	}
	return kind
}
