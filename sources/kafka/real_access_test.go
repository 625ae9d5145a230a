package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

func realCertificate(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv("OPENESM_KAFKA_CERTIFICATES"), name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// way is a way to reach the broker.
type way struct {
	variable string // of the listener's address
	configs  []access.Config
}

// reached are the options of a member that goes this way.
func (w *realWorld) reached(by *way) kafka.Options {
	w.t.Helper()
	options := w.member()
	options.BootstrapServers = []string{realBroker(w.t, by.variable)}
	options.Access = by.configs
	return options
}

func ways(t *testing.T, password string) map[string]*way {
	t.Helper()
	user := realBroker(t, "OPENESM_KAFKA_USER")
	ca := access.ServerRootCA(realCertificate(t, "ca.pem"))
	return map[string]*way{
		"BASIC_AUTH":          {"OPENESM_KAFKA_SASL", []access.Config{access.BasicAuth(user, password), ca}},
		"SASL_SCRAM_256_AUTH": {"OPENESM_KAFKA_SASL", []access.Config{access.SASLSCRAM256(user, password), ca}},
		"SASL_SCRAM_512_AUTH": {"OPENESM_KAFKA_SASL", []access.Config{access.SASLSCRAM512(user, password), ca}},
	}
}

func clientCertificate(t *testing.T) *way {
	t.Helper()
	return &way{"OPENESM_KAFKA_SSL", []access.Config{
		access.ClientCertificateTLS(realCertificate(t, "client.pem"), realCertificate(t, "client.key"), ""),
		access.ServerRootCA(realCertificate(t, "ca.pem")),
	}}
}

// A mapping works by each way that the broker has (KAF-100, KAF-101, KAF-102, KAF-103,
// KAF-104, KAF-112).
func TestRealAccess(t *testing.T) {
	t.Parallel()
	all := ways(t, os.Getenv("OPENESM_KAFKA_PASSWORD"))
	all["CLIENT_CERTIFICATE_TLS_AUTH"] = clientCertificate(t)
	for name, by := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, 2, nil)
			w.send(0, 0, 10)
			w.send(1, 0, 10)
			m := start(t, w.reached(by), unwindowed, nil)
			m.seen.await(t, 20)
			w.awaitCommitted(10)
			m.seen.wantOnce(t, 2, 10)
		})
	}
}

// end runs a mapping until it ends by itself, and returns why.
func (w *realWorld) end(options kafka.Options) error {
	w.t.Helper()
	source, err := kafka.New(options)
	if err != nil {
		w.t.Fatal(err)
	}
	mapping, err := esm.New(source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		w.t.Error("the handler was called")
		return esm.Response{}, nil
	}), esm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return mapping.Run(ctx)
}

// wantRefused holds the end of a mapping to a refusal by cause, for a reason of AWS.
func wantRefused(t *testing.T, err, cause error, reason string) {
	t.Helper()
	if !errors.Is(err, sources.ErrUnusable) || !errors.Is(err, cause) || access.Reason(err) != reason {
		t.Errorf("the mapping ended with %v, want %s, by %v", err, reason, cause)
	}
}

// A password that is wrong ends the mapping, and is not told (KAF-18, P13).
func TestRealWrongPassword(t *testing.T) {
	t.Parallel()
	const wrong = "wrong-s3cret"
	for name, by := range ways(t, wrong) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, 1, nil)
			err := w.end(w.reached(by))
			wantRefused(t, err, kerr.SaslAuthenticationFailed, access.ReasonAuthentication)
			if err != nil && strings.Contains(err.Error(), wrong) {
				t.Errorf("the error has the password in it: %v", err)
			}
		})
	}
}

// principal is what the broker calls the user of passwords.
func principal() string { return "User:" + os.Getenv("OPENESM_KAFKA_USER") }

// rights gives or takes rights on the topic or the group, as build says.
func (w *realWorld) rights(build *kadm.ACLBuilder) {
	w.t.Helper()
	results, err := w.admin.CreateACLs(w.t.Context(), build.ResourcePatternType(kadm.ACLPatternLiteral))
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		w.t.Fatalf("changing rights: %v", err)
	}
	w.until("the broker knows the rights", func() bool {
		results, err := w.admin.DescribeACLs(w.t.Context(), build)
		return err == nil && len(results) == 1 && len(results[0].Described) == 1
	})
	w.t.Cleanup(func() {
		_, err := w.admin.DeleteACLs(context.Background(), build)
		if err != nil {
			w.t.Errorf("changing rights back: %v", err)
		}
	})
}

// What the client may not do ends the mapping: reading the topic, or the group's
// offsets (KAF-18, KAF-42).
func TestRealDenied(t *testing.T) {
	t.Parallel()
	all := ways(t, os.Getenv("OPENESM_KAFKA_PASSWORD"))
	users := map[string]*way{principal(): all["SASL_SCRAM_512_AUTH"], "User:CN=openesm client": clientCertificate(t)}
	for user, by := range users {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			for name, c := range map[string]struct {
				rights func(w *realWorld) *kadm.ACLBuilder
				start  kafka.StartingPosition
				cause  error
			}{
				"topic": {
					func(w *realWorld) *kadm.ACLBuilder {
						return kadm.NewACLs().Topics(w.topic).Deny(user).DenyHosts().Operations(kadm.OpDescribe)
					}, kafka.TrimHorizon, kerr.TopicAuthorizationFailed,
				},
				"group": {
					func(w *realWorld) *kadm.ACLBuilder {
						return kadm.NewACLs().Groups(w.group).Deny(user).DenyHosts().Operations(kadm.OpDescribe)
					}, kafka.TrimHorizon, kerr.GroupAuthorizationFailed,
				},
				"committing": {
					func(w *realWorld) *kadm.ACLBuilder {
						return kadm.NewACLs().Groups(w.group).Allow(user).AllowHosts().Operations(kadm.OpDescribe)
					}, kafka.Latest, kerr.GroupAuthorizationFailed,
				},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					w := newRealWorld(t, 1, nil)
					w.send(0, 0, 3)
					w.rights(c.rights(w))
					options := w.reached(by)
					options.StartingPosition = c.start
					wantRefused(t, w.end(options), c.cause, access.ReasonAuthorization)
				})
			}
		})
	}
}

// What is denied only later does not end a mapping: its errors are told, and when the
// right is given it goes on.
func TestRealDeniedLater_KAF42(t *testing.T) {
	t.Parallel()
	by := ways(t, os.Getenv("OPENESM_KAFKA_PASSWORD"))["SASL_SCRAM_256_AUTH"]
	for name, c := range map[string]struct {
		some, more func(w *realWorld) *kadm.ACLBuilder
		cause      string
	}{
		"topic": {
			func(w *realWorld) *kadm.ACLBuilder {
				return kadm.NewACLs().Topics(w.topic).Allow(principal()).AllowHosts().Operations(kadm.OpDescribe)
			},
			func(w *realWorld) *kadm.ACLBuilder {
				return kadm.NewACLs().Topics(w.topic).Allow(principal()).AllowHosts().Operations(kadm.OpRead)
			}, "TOPIC_AUTHORIZATION_FAILED",
		},
		"group": {
			func(w *realWorld) *kadm.ACLBuilder {
				return kadm.NewACLs().Groups(w.group).Allow(principal()).AllowHosts().Operations(kadm.OpDescribe)
			},
			func(w *realWorld) *kadm.ACLBuilder {
				return kadm.NewACLs().Groups(w.group).Allow(principal()).AllowHosts().Operations(kadm.OpRead)
			}, "GROUP_AUTHORIZATION_FAILED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, 1, nil)
			w.send(0, 0, 3)
			w.rights(c.some(w))
			var errs errorsOf
			config := unwindowed
			config.Observer = errs.observe
			m := start(t, w.reached(by), config, nil)
			w.until("the refusal is told", func() bool { return errs.has(c.cause) })
			if n := m.seen.total(); n != 0 {
				t.Errorf("%d records were handled that may not be read", n)
			}
			w.rights(c.more(w))
			w.patience = time.Minute // the engine waits for longer with each error
			w.awaitCommitted(3)
			m.seen.wantOnce(t, 1, 3)
		})
	}
}
