package wirefake

import (
	"fmt"
	"io"
	"net/http"
)

// ReadBody reads the whole of a request's body, which is at most limit bytes
// long.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	limited := http.MaxBytesReader(w, r.Body, limit)
	if r.ContentLength < 0 || r.ContentLength > limit {
		return io.ReadAll(limited)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(limited, body)
	if err != nil {
		return nil, err
	}
	// The end of the body must be seen, or net/http would not watch for the
	// client going away.
	_, err = io.Copy(io.Discard, limited)
	return body, err
}

// UUID returns a number in the shape of a UUID.
func UUID(n uint64) string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", n)
}
