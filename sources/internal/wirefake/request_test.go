package wirefake_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// FuzzReadBody reads bodies whose length is told rightly, wrongly, or not at
// all: what comes back is the body or an error, and never more than the limit.
func FuzzReadBody(f *testing.F) {
	f.Add([]byte("abc"), int64(3), int64(10))
	f.Add([]byte("abc"), int64(-1), int64(3))
	f.Add([]byte("abc"), int64(2), int64(3))
	f.Add([]byte("abcd"), int64(4), int64(3))
	f.Add([]byte("abc"), int64(1<<40), int64(3))
	f.Fuzz(func(t *testing.T, body []byte, length, limit int64) {
		limit = min(max(limit, 0), 1<<16)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://fake.test/", iotest.OneByteReader(bytes.NewReader(body)))
		r.ContentLength = length
		got, err := wirefake.ReadBody(httptest.NewRecorder(), r, limit)
		if err == nil && (!bytes.HasPrefix(body, got) || int64(len(body)) > limit) {
			t.Fatalf("read %d bytes of %d, limit %d", len(got), len(body), limit)
		}
		told := length < 0 || length == int64(len(body))
		if told && int64(len(body)) <= limit && (err != nil || !bytes.Equal(got, body)) {
			t.Fatalf("read %q of %q, %v", got, body, err)
		}
	})
}

func TestUUID(t *testing.T) {
	t.Parallel()
	if got := wirefake.UUID(255); got != "00000000-0000-4000-8000-0000000000ff" {
		t.Errorf("got %s", got)
	}
}
