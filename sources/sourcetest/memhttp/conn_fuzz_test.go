package memhttp

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// endModel is one end of a connection: what it may still read, and what reads
// and writes say otherwise.
type endModel struct {
	inbox             string
	readErr, writeErr error
	reset             bool
}

// first keeps the first error.
func first(old *error, err error) {
	if *old == nil {
		*old = err
	}
}

func (e *endModel) close(other *endModel) {
	first(&e.readErr, net.ErrClosed)
	first(&e.writeErr, net.ErrClosed)
	first(&other.writeErr, syscall.EPIPE)
	e.inbox = ""
	if e.reset {
		first(&other.readErr, syscall.ECONNRESET)
		other.inbox = ""
	} else {
		first(&other.readErr, io.EOF)
	}
}

// read is what a read of up to n bytes gives, with a deadline ahead.
func (e *endModel) read(n int) (string, error) {
	switch {
	case e.inbox != "":
		got := e.inbox[:min(n, len(e.inbox))]
		e.inbox = e.inbox[len(got):]
		return got, nil
	case e.readErr != nil:
		return "", e.readErr
	case n == 0:
		return "", nil
	default:
		return "", os.ErrDeadlineExceeded
	}
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzConn writes, reads, resets and closes both ends in any order, and
// compares with the model. Two bytes are one step, the lowest bit is the end.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 5, 3, 3, 3, 9, 4, 0, 3, 1, 1, 1, 2, 1})
	f.Add([]byte{0, 50, 6, 0, 4, 0, 3, 1, 1, 1, 5, 1, 2, 1})
	f.Add([]byte{8, 0, 2, 1, 0, 5, 3, 0, 10, 9, 3, 9, 5, 0, 1, 3, 2, 3})
	for seed := range byte(16) {
		f.Add(noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			server, client := newPipe()
			ends, models := [2]*conn{server, client}, [2]*endModel{{}, {}}
			written := 0
			for i := 0; i+1 < min(len(steps), 200); i += 2 {
				which, value := steps[i]&1, int(steps[i+1])
				end, m, other := ends[which], models[which], models[1-which]
				switch steps[i] / 2 % 6 {
				case 0:
					text := make([]byte, value)
					for k := range text {
						text[k] = byte(written + k)
					}
					written += value
					n, err := end.Write(text)
					if !errors.Is(err, m.writeErr) || err == nil && n != value {
						t.Fatalf("step %d: wrote %d, %v, want %v", i, n, err, m.writeErr)
					}
					if err == nil {
						other.inbox += string(text)
					}
				case 1:
					_ = end.SetReadDeadline(time.Now().Add(time.Duration(value+1) * time.Millisecond))
					buf := make([]byte, value)
					n, err := end.Read(buf)
					got, want := m.read(value)
					if string(buf[:n]) != got || !errors.Is(err, want) || (err == nil) != (want == nil) {
						t.Fatalf("step %d: read %q, %v, want %q, %v", i, buf[:n], err, got, want)
					}
				case 2:
					_ = end.Close()
					m.close(other)
				case 3:
					_ = end.SetLinger(value % 2)
					m.reset = value%2 == 0
				case 4: // a deadline that has passed comes before everything
					_ = end.SetDeadline(time.Now().Add(-time.Duration(value)))
					if n, err := end.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("step %d: read %d, %v", i, n, err)
					}
				case 5: // a read that waits is woken
					time.Sleep(time.Duration(value) * time.Millisecond)
					_ = end.SetReadDeadline(time.Time{})
					if m.inbox == "" && m.readErr == nil && other.writeErr == nil {
						woken := make(chan error, 1)
						go func() {
							_, err := end.Read(make([]byte, 1))
							woken <- err
						}()
						synctest.Wait()
						_, _ = ends[1-which].Write([]byte("x"))
						if err := <-woken; err != nil {
							t.Fatalf("step %d: woken with %v", i, err)
						}
					}
				}
			}
			_, _ = server.Close(), client.Close()
		})
	})
}
