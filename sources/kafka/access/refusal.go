package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
)

// What [Reason] tells, as AWS does in StateTransitionReason (KAF-18).
const (
	// ReasonAuthentication: the brokers, or the identity provider, do not accept
	// who this client says it is, or this client does not accept who they say
	// they are.
	ReasonAuthentication = "EVENT_SOURCE_AUTHN_ERROR"
	// ReasonAuthorization: the brokers know this client, and it may not do what it
	// tried to do.
	ReasonAuthorization = "EVENT_SOURCE_AUTHZ_ERROR"
)

// ErrRefused is wrapped by the errors of this package that say that credentials
// were refused. A token function may wrap it too, to say that trying again will
// not help.
var ErrRefused = errors.New("refused")

// Refused reports whether err, of a franz-go client with [Options], says that
// access was refused, and so will be again until somebody changes the set-up:
// unlike a passing fault such as a broken connection, a time-out, or an identity
// provider that is down. It is Reason(err) != "".
//
// Brokers that close the connection instead of answering wrong credentials, as
// those before Apache Kafka 1.0 do, look like a fault.
func Refused(err error) bool { return Reason(err) != "" }

// Reason says which refusal err is: [ReasonAuthentication],
// [ReasonAuthorization], or "" for anything else and for nil.
//
// Authentication: an error that wraps [ErrRefused]; the brokers' SASL
// authentication failed, unsupported SASL mechanism, and illegal SASL state
// (SASL at a port without it); a certificate that does not verify, whether this
// client says so of a broker or of the identity provider, or a broker of this
// client.
//
// Authorization: the brokers' topic, group and cluster authorization failed.
func Reason(err error) string {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed),
		errors.Is(err, kerr.GroupAuthorizationFailed),
		errors.Is(err, kerr.ClusterAuthorizationFailed):
		return ReasonAuthorization
	case errors.Is(err, ErrRefused),
		errors.Is(err, kerr.SaslAuthenticationFailed),
		errors.Is(err, kerr.UnsupportedSaslMechanism),
		errors.Is(err, kerr.IllegalSaslState),
		isUnverified(err),
		isRejected(err):
		return ReasonAuthentication
	default:
		return ""
	}
}

// Advice says what a refusal comes from and what to do about it, without anything of
// err in it; "" for what is no refusal.
func Advice(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, misnamed := errors.AsType[x509.HostnameError](err)
	switch {
	case Reason(err) == "":
		return ""
	case Reason(err) == ReasonAuthorization:
		return "a mapping needs Read and Describe on the topic and on the group, KAF-42"
	case unknown:
		return "the certificate is of an authority that this host does not trust: " +
			"ServerRootCA takes the one of the brokers, oauthIdpCaCertificate that of the identity provider"
	case misnamed:
		return "the certificate has other names than the address that was dialled: " +
			"brokers are to be reached, and to advertise themselves, by a name that is in it"
	case isUnverified(err):
		return "the certificate is not valid, see its dates and what it is for"
	case isRejected(err):
		return "the other side does not accept the certificate of this client, or wants one: see ClientCertificateTLS"
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return "the brokers do not take this way to authenticate at this port"
	default:
		return "the user name, the password or the token is not accepted"
	}
}

// fault is an error that may pass. The client tries again after it, as after a
// broken connection.
type fault struct{ error }

// Temporary is what the client looks for.
func (fault) Temporary() bool { return true }

// Unwrap returns the cause.
func (f fault) Unwrap() error { return f.error }

// faulty says what failed for an entry, if anything, and makes it a fault unless it
// is a refusal.
func faulty(kind Type, what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("kafka access: %s: %s: %w", kind, what, err)
	if Refused(err) {
		return err
	}
	return fault{err}
}

// isUnverified tells that this client does not accept a certificate.
func isUnverified(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// isRejected tells that the other side does not accept this client's certificate,
// or the lack of one. Package tls does not export the type of the alerts that it
// receives, so they are told by their text.
func isRejected(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" || remote.Err == nil {
		return false
	}
	for _, alert := range []tls.AlertError{
		40,  // handshake_failure, which is how a missing certificate may be told (RFC 5246, 7.4.6)
		42,  // bad_certificate
		43,  // unsupported_certificate
		44,  // certificate_revoked
		45,  // certificate_expired
		46,  // certificate_unknown
		48,  // unknown_ca
		49,  // access_denied
		116, // certificate_required
	} {
		if remote.Err.Error() == alert.Error() {
			return true
		}
	}
	return false
}
