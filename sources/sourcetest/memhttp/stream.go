package memhttp

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// stream is one direction of a connection: a buffer without bound, one reader,
// one writer. The mutex is held for moments only; the reader waits on the
// condition, which is durably blocking in a bubble.
type stream struct {
	mu       sync.Mutex
	readable *sync.Cond // buf is not empty, readErr is set, or expired is
	buf      bytes.Buffer
	readErr  error // given once buf is empty
	writeErr error
	timer    *time.Timer
	deadline uint64 // counts the deadlines that were set
	expired  bool
}

func newStream() *stream {
	s := &stream{}
	s.readable = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.expired:
			return 0, os.ErrDeadlineExceeded
		case s.buf.Len() > 0:
			return s.buf.Read(b)
		case s.readErr != nil:
			return 0, s.readErr
		case len(b) == 0:
			return 0, nil
		}
		s.readable.Wait()
	}
}

func (s *stream) write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		return 0, s.writeErr
	}
	s.readable.Broadcast()
	return s.buf.Write(b)
}

// close gives both sides their errors, of which the first ones stay, and with
// drop forgets what was not read yet.
func (s *stream) close(readErr, writeErr error, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr == nil {
		s.readErr = readErr
	}
	if s.writeErr == nil {
		s.writeErr = writeErr
	}
	if drop {
		s.buf = bytes.Buffer{}
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.readable.Broadcast()
}

func (s *stream) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.deadline++
	s.expired = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		s.expired = true
		s.readable.Broadcast()
		return
	}
	set := s.deadline
	s.timer = time.AfterFunc(left, func() { s.expire(set) })
}

// expire ends the reads under way, unless another deadline was set meanwhile.
func (s *stream) expire(set uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set == s.deadline {
		s.expired = true
		s.readable.Broadcast()
	}
}
