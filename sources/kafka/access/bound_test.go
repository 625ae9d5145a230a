package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/openesm/openesm/sources/kafka/access"
)

// providers are the functions that a client authenticates with, made of one that hangs,
// or not.
func providers(hang func(context.Context) error) map[string][]access.Config {
	return map[string][]access.Config{
		"OAUTHBEARER_AUTH: token function": {
			access.OAuthBearerToken(func(ctx context.Context) (string, map[string]string, error) { return "token", nil, hang(ctx) }),
		},
		"IAM_OAUTHBEARER_AUTH: token function": {
			access.IAMOAuthBearer(func(ctx context.Context, _ string) (string, error) { return "token", hang(ctx) }),
			access.Literal(access.TypeOAuthBearerAudience, "https://kafka.example.com"),
		},
		"IAM_AUTH: credentials": {
			access.IAM(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secretText}, hang(ctx)
			}), "eu-west-1"),
		},
	}
}

// A provider that hangs costs ten seconds, whether it heeds its context or not, and the
// next call works if it does.
func TestHungProvider_P11(t *testing.T) { //nolint:tparallel // its parts share what hangs
	t.Parallel()
	release := make(map[bool]func(context.Context) error)
	release[true] = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	release[false] = func(context.Context) error {
		time.Sleep(time.Hour)
		return nil
	}
	for heeds, hang := range release { //nolint:paralleltest // as above
		var hung atomic.Bool
		for what, configs := range providers(func(ctx context.Context) error {
			if hung.Load() {
				return hang(ctx)
			}
			return nil
		}) {
			t.Run(fmt.Sprintf("%s heeds its context: %v", what, heeds), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, began := mechanism(t, configs...), time.Now()
					hung.Store(true)
					_, err := message(t, m)
					if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || access.Refused(err) || took != 10*time.Second {
						t.Errorf("error %v after %v, want one of a deadline after 10s", err, took)
					}
					if err != nil && !strings.Contains(err.Error(), what+": not answered within 10s") {
						t.Errorf("error %v does not say what was not answered", err)
					}
					hung.Store(false)
					_, err = message(t, m)
					if err != nil {
						t.Errorf("the next one: %v", err)
					}
					time.Sleep(2 * time.Hour) // until it has returned
				})
			})
		}
	}
}

// Functions that never return are called no more, after some, until one returns.
func TestProvidersThatNeverReturnAreBounded_P11(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 16
		var (
			mu      sync.Mutex
			pending int
		)
		m := mechanism(t, access.OAuthBearerToken(func(context.Context) (string, map[string]string, error) {
			mu.Lock()
			pending++
			mu.Unlock()
			time.Sleep(time.Hour)
			mu.Lock()
			defer mu.Unlock()
			pending--
			return "token", nil, nil
		}))
		for range 2 * most {
			if _, err := message(t, m); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		mu.Lock()
		if pending != most {
			t.Errorf("%d calls are under way, want %d", pending, most)
		}
		mu.Unlock()
		time.Sleep(2 * time.Hour) // until they have returned
	})
}

// A panic of a function is an error, without what it was (P10, P13).
func TestProviderThatPanics(t *testing.T) {
	t.Parallel()
	for what, configs := range providers(func(context.Context) error { panic(secretText) }) {
		_, err := message(t, mechanism(t, configs...))
		if err == nil || strings.Contains(err.Error(), secretText) || !strings.Contains(err.Error(), "panicked") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}
