package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answered(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// issuer numbers its tokens, which live as told.
func issuer(expires string) *exchanger {
	var issued atomic.Int64
	return &exchanger{
		oauth: func() OAuth {
			return OAuth{TokenEndpoint: "https://idp.example.com/token", ClientID: "id", ClientSecret: "secret"}
		},
		transport: transport(func(*http.Request) (*http.Response, error) {
			return answered(http.StatusOK, fmt.Sprintf(`{"access_token":"t%d","token_type":"bearer"%s}`, issued.Add(1), expires))
		}),
	}
}

func wantToken(t *testing.T, of *tokens, want string) {
	t.Helper()
	if got, err := of.get(t.Context()); err != nil || got != want {
		t.Errorf("token %q, error %v, want %q", got, err, want)
	}
}

// A token is kept for four fifths of its life, which is before the brokers end the
// sessions that were begun with it.
func TestTokenIsKept_KAF116(t *testing.T) {
	t.Parallel()
	for expires, life := range map[string]time.Duration{
		`,"expires_in":3600`:     time.Hour,
		`,"expires_in":"600"`:    10 * time.Minute,
		`,"expires_in":99.5`:     99*time.Second + 500*time.Millisecond,
		`,"expires_in":1e300`:    24 * time.Hour,
		`,"expires_in":31536000`: 24 * time.Hour,
		``:                       0,
		`,"expires_in":null`:     0,
		`,"expires_in":0`:        0,
		`,"expires_in":-3600`:    0,
		`,"expires_in":"NaN"`:    0,
		`,"expires_in":"soon"`:   0,
		`,"expires_in":[3600]`:   0,
	} {
		t.Run(expires, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kept := issuer(expires).tokens(wanted{})
				wantToken(t, kept, "t1")
				if life == 0 {
					wantToken(t, kept, "t2")
					return
				}
				time.Sleep(life/5*4 - time.Nanosecond)
				wantToken(t, kept, "t1")
				time.Sleep(time.Nanosecond)
				wantToken(t, kept, "t2")
				wantToken(t, kept, "t2")
			})
		})
	}
}

// Clients that want the same share it, others do not (KAF-108, KAF-116).
func TestTokenIsShared(t *testing.T) {
	t.Parallel()
	e := issuer(`,"expires_in":3600`)
	wantToken(t, e.tokens(wanted{scope: "a"}), "t1")
	wantToken(t, e.tokens(wanted{scope: "a"}), "t1")
	wantToken(t, e.tokens(wanted{scope: "a", audience: "b"}), "t2")
	wantToken(t, e.tokens(wanted{}), "t3")
	wantToken(t, e.tokens(wanted{scope: "a"}), "t1")
}

func TestRefusedTokenIsDropped_KAF107(t *testing.T) {
	t.Parallel()
	e := issuer(`,"expires_in":3600`)
	p := &plan{}
	e.apply(p)
	for i, want := range []string{"t1", "t1", "t2"} {
		session, first, err := p.bearer(nil).Authenticate(t.Context(), "broker:9092")
		if err != nil || string(first) != "n,,\x01auth=Bearer "+want+"\x01\x01" {
			t.Fatalf("message %q, error %v, want %s", first, err, want)
		}
		var answer []byte
		if i == 1 {
			answer = []byte(`{"status":"invalid_token"}`)
		}
		done, _, err := session.Challenge(answer)
		if done != (i != 1) || errors.Is(err, ErrRefused) != (i == 1) {
			t.Errorf("session %d: done %t, error %v", i, done, err)
		}
	}
}

// A token that was refused late does not take its successor along.
func TestOldTokenTakesNothingAlong_KAF107(t *testing.T) {
	t.Parallel()
	kept := issuer(`,"expires_in":3600`).tokens(wanted{})
	wantToken(t, kept, "t1")
	kept.forget("t1")
	wantToken(t, kept, "t2")
	kept.forget("t1")
	wantToken(t, kept, "t2")
}

// Connections that begin together ask once, and nobody waits longer than it wants.
func TestOneRequestForAll_KAF116(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		e := issuer("")
		e.transport = transport(func(*http.Request) (*http.Response, error) {
			requests++
			time.Sleep(5 * time.Second)
			return answered(http.StatusOK, `{"access_token":"t","expires_in":3600}`)
		})
		impatient, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("no patience"))
		defer cancel()
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if i == 0 {
					wantToken(t, e.tokens(wanted{}), "t") //nolint:contextcheck // it has the test's patience
					return
				}
				time.Sleep(time.Duration(i) * time.Millisecond)
				if i == 9 {
					if _, err := e.tokens(wanted{}).get(impatient); err == nil || err.Error() != "no patience" {
						t.Errorf("error %v", err)
					}
					return
				}
				wantToken(t, e.tokens(wanted{}), "t") //nolint:contextcheck // it has the test's patience
			})
		}
		all.Wait()
		if requests != 1 {
			t.Errorf("%d requests", requests)
		}
	})
}

// A failure is not kept: the next connection asks again.
func TestFailureIsNotKept_KAF116(t *testing.T) {
	t.Parallel()
	e := issuer("")
	status := http.StatusServiceUnavailable
	e.transport = transport(func(*http.Request) (*http.Response, error) {
		return answered(status, `{"access_token":"t","expires_in":3600}`)
	})
	if _, err := e.tokens(wanted{}).get(t.Context()); err == nil || Refused(err) {
		t.Errorf("error %v", err)
	}
	status = http.StatusOK
	wantToken(t, e.tokens(wanted{}), "t")
}

// A provider that does not answer is given ten seconds, whatever the client's patience.
func TestProviderHasTenSeconds_KAF116(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := issuer("")
		e.transport = transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begin := time.Now()
		_, err := e.tokens(wanted{}).get(t.Context())
		if err == nil || err.Error() != "kafka access: OAUTHBEARER_AUTH: token endpoint: not answered within 10s: context deadline exceeded" || Refused(err) {
			t.Errorf("error %v", err)
		}
		if waited := time.Since(begin); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}
