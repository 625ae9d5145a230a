package memhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a server in the bubble of the test.
func start(t *testing.T, handler http.HandlerFunc) *memhttp.Server {
	t.Helper()
	server := memhttp.New(handler)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return server
}

// post posts a body and returns that of the answer.
func post(ctx context.Context, server *memhttp.Server, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL(), strings.NewReader(body))
	if err != nil {
		return "", err
	}
	response, err := server.Client().Do(request)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(response.Body)
	return string(answer), errors.Join(err, response.Body.Close())
}

// echo answers with the body of the request.
func echo(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(w, r.Body) // the client is judged by what it gets
}

func TestBodiesOfAllSizes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, echo)
		for _, body := range []string{"", "small", strings.Repeat("large", 1<<18)} {
			for range 3 {
				if got, err := post(t.Context(), server, body); got != body || err != nil {
					t.Fatalf("got %d bytes, %v; want %d", len(got), err, len(body))
				}
			}
			time.Sleep(time.Hour) // idle connections stay
		}
	})
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, echo)
		var opened atomic.Int64
		transport := memhttp.TransportOf(server)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			opened.Add(1)
			return dial(ctx, network, address)
		}
		var all sync.WaitGroup
		for range 20 {
			for range 8 {
				all.Go(func() {
					if _, err := post(t.Context(), server, "x"); err != nil {
						t.Errorf("post: %v", err)
					}
				})
			}
			all.Wait()
			synctest.Wait() // the connections are idle again
		}
		if n := opened.Load(); n > 8 {
			t.Errorf("160 requests, 8 at a time, opened %d connections", n)
		}
	})
}

func TestAbortedHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		server := start(t, func(http.ResponseWriter, *http.Request) {
			calls++
			panic(http.ErrAbortHandler)
		})
		if _, err := post(t.Context(), server, "x"); !errors.Is(err, io.EOF) {
			t.Errorf("got error %v, want EOF", err)
		}
		if calls != 1 {
			t.Errorf("got %d calls, want 1", calls)
		}
	})
}

func TestHalfAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		if got, err := post(t.Context(), server, "x"); got != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %q, %v; want half and an unexpected EOF", got, err)
		}
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			if lingerer, ok := conn.(interface{ SetLinger(sec int) error }); !ok || lingerer.SetLinger(0) != nil {
				t.Error("the connection has no SetLinger")
			}
			_ = conn.Close()
		})
		if _, err := post(t.Context(), server, "x"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got error %v, want a reset", err)
		}
	})
}

func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := make(chan time.Duration, 1)
		server := start(t, func(_ http.ResponseWriter, r *http.Request) {
			began := time.Now()
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			left <- time.Since(began)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := post(ctx, server, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want the deadline's", err)
		}
		if d := <-left; d != 3*time.Second {
			t.Errorf("the handler noticed after %v, want 3s", d)
		}
	})
}

func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		server := start(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done() // although the body is not read
			time.Sleep(time.Second)
			ended.Store(true)
		})
		failed := make(chan error, 1)
		go func() {
			_, err := post(t.Context(), server, "x")
			failed <- err
		}()
		synctest.Wait()
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !ended.Load() {
			t.Error("Close returned before the handler did")
		}
		if err := <-failed; err == nil {
			t.Error("the request had no error")
		}
		if _, err := post(t.Context(), server, "x"); err == nil {
			t.Error("a closed server answered")
		}
		if err := server.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestServerTimeouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := start(t, func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				t.Errorf("SetReadDeadline: %v", err)
			}
			_, err := io.ReadAll(r.Body)
			if err == nil {
				t.Error("the read outlasted its deadline")
			}
			w.WriteHeader(http.StatusRequestTimeout)
		})
		body, writer := io.Pipe()
		defer func() { _ = writer.Close() }()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL(), body)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatalf("Do: %v", err)
		}
		_ = response.Body.Close()
		if d := time.Since(began); d != time.Second || response.StatusCode != http.StatusRequestTimeout {
			t.Errorf("got status %d after %v", response.StatusCode, d)
		}
	})
}

// TestCloseInTheMidst closes servers in the middle of requests, outside of a bubble.
func TestCloseInTheMidst(t *testing.T) {
	t.Parallel()
	for range 50 {
		server := memhttp.New(http.HandlerFunc(echo))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for {
					if _, err := post(t.Context(), server, "x"); err != nil {
						return
					}
				}
			})
		}
		if _, err := post(t.Context(), server, "x"); err != nil {
			t.Errorf("post: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		all.Wait()
	}
}
