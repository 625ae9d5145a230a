package memhttp_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

// moody answers, aborts, hijacks, or waits until its client or server is gone.
// It counts the handlers that are at work.
func moody(running *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Add(-1)
		switch rand.N(7) {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_ = conn.(interface{ SetLinger(sec int) error }).SetLinger(rand.N(2))
			_ = conn.Close()
			<-r.Context().Done() // a handler outlives a connection that it hijacked
		case 2:
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case 3:
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			body, err := io.ReadAll(r.Body) // all of it first: net/http drops the rest once an answer begins
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(body)
		}
	}
}

// visit makes requests until told to stop, and leaves some of them early.
func visit(ctx context.Context, t *testing.T, server *memhttp.Server, patience time.Duration) {
	t.Helper()
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, patience)
		body := strings.Repeat("x", rand.N(20_000))
		got, err := post(once, server, body)
		cancel()
		if err == nil && got != body {
			t.Errorf("posted %d bytes, got %d back", len(body), len(got))
		}
		time.Sleep(rand.N(3 * time.Millisecond)) // or the clock would stand still
	}
}

// TestStressCloseAtAnyMoment closes servers, more than once and from several
// goroutines, while clients come and go. Every request comes back, no handler is
// left when Close is, and no goroutine.
func TestStressCloseAtAnyMoment(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var running atomic.Int64
			server := memhttp.New(moody(&running))
			ctx, cancel := context.WithCancel(t.Context())
			var clients, closing sync.WaitGroup
			for range 6 {
				clients.Go(func() { visit(ctx, t, server, 1+rand.N(20*time.Millisecond)) })
			}
			for range 2 {
				closing.Go(func() {
					time.Sleep(rand.N(50 * time.Millisecond))
					if err := server.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					if n := running.Load(); n != 0 {
						t.Errorf("%d handlers at work after Close", n)
					}
				})
			}
			time.Sleep(rand.N(60 * time.Millisecond))
			cancel()
			clients.Wait()
			closing.Wait()
			if _, err := post(t.Context(), server, "x"); err == nil {
				t.Error("a closed server answered")
			}
		})
	}
}

// TestStressInRealTime is the same without a bubble.
func TestStressInRealTime(t *testing.T) {
	t.Parallel()
	for range 6 {
		closeBusy(t)
	}
}

// closeBusy closes a server once it has had some requests.
func closeBusy(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running, arrived atomic.Int64
	mood := moody(&running)
	server := memhttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrived.Add(1) > 40 {
			cancel()
		}
		mood(w, r)
	}))
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for ctx.Err() == nil {
				once, leave := context.WithCancel(ctx)
				go leave() // before the request arrives, or after
				_, _ = post(once, server, "x")
				leave()
			}
		})
		clients.Go(func() {
			for ctx.Err() == nil {
				_, _ = post(ctx, server, "x") // what waits is ended by Close
			}
		})
	}
	for range 2 {
		clients.Go(func() {
			<-ctx.Done()
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if n := running.Load(); n != 0 {
				t.Errorf("%d handlers at work after Close", n)
			}
		})
	}
	clients.Wait()
}
