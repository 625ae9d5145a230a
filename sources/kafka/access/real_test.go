package access_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/openesm/openesm/sources/kafka/access"
)

// listener is one of the broker under test, and the authority of its certificate;
// the test is skipped without a broker.
func listener(t *testing.T, variable string) (address []string, ca access.Config) {
	t.Helper()
	a := os.Getenv(variable)
	if a == "" {
		t.Skip(variable + " is not set: no Kafka broker to test against")
	}
	return []string{a}, access.ServerRootCA(certificate(t, "ca.pem"))
}

func certificate(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv("OPENESM_KAFKA_CERTIFICATES"), name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Real passwords (KAF-18, KAF-100, KAF-101, KAF-102, KAF-104, KAF-113, KAF-115, P13).
func TestRealPasswords(t *testing.T) {
	t.Parallel()
	address, ca := listener(t, "OPENESM_KAFKA_SASL")
	user, password := os.Getenv("OPENESM_KAFKA_USER"), os.Getenv("OPENESM_KAFKA_PASSWORD")
	otherCA := access.ServerRootCA(newAuthority(t).pem)
	for name, config := range passwordEntries(user, password) {
		if err := reach(t, address, config, ca); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := reach(t, address, config); access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("%s: the broker's certificate verifies without its authority: %v", name, err)
		}
		if err := reach(t, address, config, otherCA); access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("%s: the broker's certificate verifies by another authority: %v", name, err)
		}
	}
	for name, config := range passwordEntries(user, "wrong"+password) {
		err := reach(t, address, config, ca)
		if !errors.Is(err, kerr.SaslAuthenticationFailed) || access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%s: the error has the password in it: %v", name, err)
		}
	}
	err := reach(t, address, access.IAM(credentials.NewStaticCredentialsProvider("key", "secret", ""), "eu-west-1"), ca)
	if !errors.Is(err, kerr.UnsupportedSaslMechanism) || access.Reason(err) != access.ReasonAuthentication {
		t.Errorf("a mechanism that the broker does not have: %v", err)
	}
}

// Real client certificate (KAF-18, KAF-103, KAF-114).
func TestRealClientCertificate(t *testing.T) {
	t.Parallel()
	address, ca := listener(t, "OPENESM_KAFKA_SSL")
	own := access.ClientCertificateTLS(certificate(t, "client.pem"), certificate(t, "client.key"), "")
	if err := reach(t, address, own, ca); err != nil {
		t.Error(err)
	}
	foreign := access.ClientCertificateTLS(fixture(t, "certificate.pem"), fixture(t, "pkcs8.pem"), "")
	for name, configs := range map[string][]access.Config{
		"missing": {ca}, "of nobody": {foreign, ca}, "and a broker of nobody": {own, access.ServerRootCA(newAuthority(t).pem)},
	} {
		// With TLS 1.3 a broker's refusal may be lost in the reset of the connection.
		err := reach(t, address, configs...)
		for i := 0; err != nil && !access.Refused(err) && i < 20; i++ {
			err = reach(t, address, configs...)
		}
		if access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("certificate %s: %v", name, err)
		}
	}
}

// SASL at a listener without it is an illegal state.
func TestRealListenerWithoutSASL_KAF18(t *testing.T) {
	t.Parallel()
	address, _ := listener(t, "OPENESM_KAFKA_BROKERS")
	err := reach(t, address, access.BasicAuth("user", "password"), access.SASLPlaintext())
	if !errors.Is(err, kerr.IllegalSaslState) || access.Reason(err) != access.ReasonAuthentication {
		t.Error(err)
	}
}
