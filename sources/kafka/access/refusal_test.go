package access_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources/kafka/access"
)

func TestReason_KAF18(t *testing.T) {
	t.Parallel()
	remote := func(err error) error { return &net.OpError{Op: "remote error", Err: err} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{kerr.TopicAuthorizationFailed, access.ReasonAuthorization},
		{kerr.GroupAuthorizationFailed, access.ReasonAuthorization},
		{kerr.ClusterAuthorizationFailed, access.ReasonAuthorization},
		{&kgo.ErrGroupSession{Err: kerr.GroupAuthorizationFailed}, access.ReasonAuthorization},
		{kerr.SaslAuthenticationFailed, access.ReasonAuthentication},
		{kerr.UnsupportedSaslMechanism, access.ReasonAuthentication},
		{kerr.IllegalSaslState, access.ReasonAuthentication},
		{access.ErrRefused, access.ReasonAuthentication},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, access.ReasonAuthentication},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "broker"}}, access.ReasonAuthentication},
		{remote(tls.AlertError(42)), access.ReasonAuthentication},
		{remote(tls.AlertError(48)), access.ReasonAuthentication},
		{remote(tls.AlertError(116)), access.ReasonAuthentication},

		{nil, ""},
		{remote(tls.AlertError(80)), ""}, // internal_error
		{remote(nil), ""},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, ""},
		{&net.OpError{Op: "read", Err: tls.AlertError(42)}, ""},
		{&net.DNSError{IsNotFound: true}, ""},
		{kerr.NotLeaderForPartition, ""},
		{kerr.CoordinatorNotAvailable, ""},
		{kerr.UnknownTopicOrPartition, ""},
		{context.DeadlineExceeded, ""},
		{context.Canceled, ""},
		{io.EOF, ""},
		{kgo.ErrClientClosed, ""},
		{&kgo.ErrFirstReadEOF{}, ""},
		{errors.New("SASL_AUTHENTICATION_FAILED"), ""},
	} {
		wrapped := error(nil)
		if c.err != nil {
			wrapped = fmt.Errorf("unable to dial: %w", errors.Join(errors.New("other"), c.err))
		}
		for _, err := range []error{c.err, wrapped} {
			if got := access.Reason(err); got != c.want || access.Refused(err) != (c.want != "") {
				t.Errorf("reason %q of %v, want %q", got, err, c.want)
			}
		}
	}
}

// Each refusal has advice of its own, and nothing else has any.
func TestAdvice(t *testing.T) {
	t.Parallel()
	unverified := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	for err, want := range map[error]string{
		kerr.TopicAuthorizationFailed:            "Read and Describe",
		kerr.SaslAuthenticationFailed:            "not accepted",
		kerr.UnsupportedSaslMechanism:            "do not take this way",
		kerr.IllegalSaslState:                    "do not take this way",
		unverified(x509.UnknownAuthorityError{}): "ServerRootCA",
		unverified(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "broker"}): "other names",
		unverified(x509.CertificateInvalidError{Reason: x509.Expired}):                   "its dates",
		&net.OpError{Op: "remote error", Err: tls.AlertError(116)}:                       "ClientCertificateTLS",
		access.ErrRefused:        "not accepted",
		io.EOF:                   "",
		context.DeadlineExceeded: "",
	} {
		got := access.Advice(fmt.Errorf("unable to dial: %w", err))
		if !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%q of %v, want %q", got, err, want)
		}
	}
}

// What brokers answer is told as AWS tells it.
func TestReasons_KAF18(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.SaslAuthenticationFailed, kerr.IllegalSaslState} {
		c := cluster(t, users()...)
		c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			response.ErrorCode = code.Code
			response.ErrorMessage = new("Authentication failed")
			return response, nil, true
		})
		for name, config := range passwordEntries("user", "password") {
			err := reach(t, c.ListenAddrs(), config, access.SASLPlaintext())
			if !errors.Is(err, code) || access.Reason(err) != access.ReasonAuthentication {
				t.Errorf("%s: reason %q of %v", name, access.Reason(err), err)
			}
		}
	}
}

// A group's member that may not read the topic, nor join the group.
func TestAuthorization_KAF18(t *testing.T) {
	t.Parallel()
	allow := func(resource kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAny, Allow: true}
	}
	for name, c := range map[string]*kfake.Cluster{
		"group": cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "password"),
			kfake.User("PLAIN", "user", "password", allow(kmsg.ACLResourceTypeTopic, "orders"))),
		"topic": cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "password"),
			kfake.User("PLAIN", "user", "password", allow(kmsg.ACLResourceTypeGroup, "app"))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := client(t, c.ListenAddrs(), append(options(t, access.BasicAuth("user", "password"), access.SASLPlaintext()),
				kgo.ConsumerGroup("app"), kgo.ConsumeTopics("orders"))...)
			for t.Context().Err() == nil {
				errs := k.PollFetches(t.Context()).Errors()
				if slices.ContainsFunc(errs, func(e kgo.FetchError) bool { return access.Reason(e.Err) == access.ReasonAuthorization }) {
					return
				}
			}
		})
	}
}
