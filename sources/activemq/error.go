package activemq

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/internal/broker"
)

// hopeless says why an attempt to connect cannot succeed by trying again, in words for
// people; "" if it may.
func hopeless(err error) string {
	refused, isRefused := errors.AsType[*amqp.Error](err)
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case errors.Is(err, broker.ErrSecret):
		return "the secret has no login"
	case loginRefused(err):
		return "username or password is wrong"
	case strings.HasPrefix(err.Error(), "no supported auth mechanism"):
		return "the broker does not take a username and password (SASL PLAIN)"
	case errors.Is(err, errSpeaksTLS):
		return "wrong scheme"
	case isRecord:
		return "the endpoint does not speak TLS: say amqp://, or name its TLS port"
	case distrusted(err):
		return "the broker's certificate is not trusted"
	case isRefused && refused.Condition == amqp.ErrCondNotFound:
		return "the queue does not exist"
	case isRefused && refused.Condition == amqp.ErrCondUnauthorizedAccess:
		return "the queue does not exist, or the user may not read it"
	default:
		return ""
	}
}

// loginRefused reads the only error that the client has no type for. The code is that of
// AMQP: 1 is a wrong login, and 2 a failure of the broker that may pass.
func loginRefused(err error) bool {
	const wrong = "SASL PLAIN auth failed with code 0x1:"
	return strings.HasPrefix(err.Error(), wrong)
}

func distrusted(err error) bool {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, misnamed := errors.AsType[x509.HostnameError](err)
	return unverified || unknown || misnamed
}

// hopelessError is an error that only people can put right.
type hopelessError struct {
	why string
	err error
}

func (e *hopelessError) Error() string { return e.why + ": " + e.err.Error() }

func (e *hopelessError) Unwrap() error { return e.err }

// connectError says what could not be connected to.
func connectError(to Target, err error) error {
	if why := hopeless(err); why != "" {
		err = &hopelessError{why, err}
	}
	return fmt.Errorf("connect to %v: %w", to, err)
}
