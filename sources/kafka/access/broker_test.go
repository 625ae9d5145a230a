package access_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources/kafka/access"
)

func passwordEntries(username, password string) map[string]access.Config {
	return map[string]access.Config{
		"BASIC_AUTH":          access.BasicAuth(username, password),
		"SASL_SCRAM_256_AUTH": access.SASLSCRAM256(username, password),
		"SASL_SCRAM_512_AUTH": access.SASLSCRAM512(username, password),
	}
}

// Password (KAF-100, KAF-101, KAF-102, KAF-112).
func TestPassword(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := cluster(t, append(users(), kfake.TLS(ca.server(t)))...)
	for name, config := range passwordEntries("user", "password") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := reach(t, c.ListenAddrs(), config, access.ServerRootCA(ca.pem)); err != nil {
				t.Errorf("right password: %v", err)
			}
		})
	}
	for name, config := range passwordEntries("user", "wrong-password") {
		t.Run(name+" wrong", func(t *testing.T) {
			t.Parallel()

			// This broker closes the connection, which tells nothing.
			if err := reach(t, c.ListenAddrs(), config, access.ServerRootCA(ca.pem)); err == nil || access.Refused(err) {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

func TestPasswordOverPlaintextWhenAskedFor_KAF112(t *testing.T) {
	t.Parallel()
	c := cluster(t, users()...)
	for name, config := range passwordEntries("user", "password") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := reach(t, c.ListenAddrs(), config, access.SASLPlaintext()); err != nil {
				t.Error(err)
			}
			if !speaksTLS(t, config) {
				t.Error("it is over plain text without being asked for")
			}
		})
	}
}

// Client certificate (KAF-103, KAF-104, KAF-115).
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	certificate, key := ca.leaf(t)
	own := access.ClientCertificateTLS(certificate, key, "")
	certificate, key = other.leaf(t)
	foreign := access.ClientCertificateTLS(certificate, key, "")
	certificate, key = ca.leafUntil(t, time.Now().Add(-time.Hour))
	expired := access.ClientCertificateTLS(certificate, key, "")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := ca.mutual(t)
		config.MaxVersion = version
		c := cluster(t, kfake.TLS(config))
		name := tls.VersionName(version)
		t.Run(name+" right", func(t *testing.T) {
			t.Parallel()
			if err := reach(t, c.ListenAddrs(), own, access.ServerRootCA(ca.pem)); err != nil {
				t.Error(err)
			}
		})
		for wrong, configs := range map[string][]access.Config{
			"missing":              {access.ServerRootCA(ca.pem)},
			"of another authority": {foreign, access.ServerRootCA(ca.pem)},
			"expired":              {expired, access.ServerRootCA(ca.pem)},
			"broker not trusted":   {own, access.ServerRootCA(other.pem)},
			"broker not known":     {own},
		} {
			t.Run(name+" "+wrong, func(t *testing.T) {
				t.Parallel()

				// With TLS 1.3 a server's refusal may be lost in the reset of the
				// connection, as seen from a client that is writing.
				err := reach(t, c.ListenAddrs(), configs...)
				for range 20 {
					if err == nil || access.Refused(err) {
						break
					}
					err = reach(t, c.ListenAddrs(), configs...)
				}
				if reason := access.Reason(err); reason != access.ReasonAuthentication {
					t.Errorf("reason %q of %v", reason, err)
				}
			})
		}
	}
}

func TestUnauthenticated_KAF117(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	secured := cluster(t, kfake.TLS(ca.server(t)))
	plain := cluster(t)
	if err := reach(t, secured.ListenAddrs(), access.ServerRootCA(ca.pem)); err != nil {
		t.Errorf("TLS with a private CA: %v", err)
	}
	if err := reach(t, secured.ListenAddrs(), access.TLS(), access.ServerRootCA(ca.pem)); err != nil {
		t.Errorf("the same, said twice: %v", err)
	}
	if err := reach(t, secured.ListenAddrs(), access.TLS()); access.Reason(err) != access.ReasonAuthentication {
		t.Errorf("TLS with the system's roots: %v", err)
	}
	if err := reach(t, plain.ListenAddrs(), access.Plaintext()); err != nil {
		t.Errorf("plain text: %v", err)
	}
	if err := reach(t, plain.ListenAddrs()); err != nil {
		t.Errorf("no entry: %v", err)
	}
	if !speaksTLS(t, access.TLS()) {
		t.Error("TLS is plain text")
	}
	if speaksTLS(t, access.Plaintext()) || speaksTLS(t) {
		t.Error("plain text is TLS")
	}
}

// speaksTLS tells whether a client begins a connection with a TLS handshake, each
// time until it gives up.
func speaksTLS(t *testing.T, configs ...access.Config) bool {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan []bool)
	go func() {
		var handshakes []bool
		for {
			connection, err := listener.Accept()
			if err != nil {
				answer <- handshakes
				return
			}
			first := make([]byte, 1)
			_, err = io.ReadFull(connection, first)
			handshakes = append(handshakes, err == nil && first[0] == 22)
			_ = connection.Close()
		}
	}()
	_ = reach(t, []string{listener.Addr().String()}, configs...)
	_ = listener.Close()
	handshakes := <-answer
	return len(handshakes) > 0 && !slices.Contains(handshakes, false)
}

func TestOldTLSIsRefused_KAF112(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := ca.server(t)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := reach(t, cluster(t, kfake.TLS(config)).ListenAddrs(), access.ServerRootCA(ca.pem)); err == nil {
		t.Error("TLS 1.1 was good enough")
	}
}

// One of several ways is used, and never another one.
func TestNoFallback_KAF117(t *testing.T) {
	t.Parallel()
	c := cluster(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "user", "password"))
	c.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if r.(*kmsg.SASLHandshakeRequest).Mechanism == "SCRAM-SHA-512" {
			return nil, nil, false
		}
		response := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		response.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		response.SupportedMechanisms = []string{"SCRAM-SHA-512"}
		return response, nil, true
	})
	err := reach(t, c.ListenAddrs(), access.BasicAuth("user", "password"), access.SASLPlaintext())
	if !errors.Is(err, kerr.UnsupportedSaslMechanism) || access.Reason(err) != access.ReasonAuthentication {
		t.Errorf("error %v", err)
	}
	if err := reach(t, c.ListenAddrs(), access.SASLSCRAM512("user", "password"), access.SASLPlaintext()); err != nil {
		t.Error(err)
	}
}
