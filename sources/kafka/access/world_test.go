package access_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/kafka/access"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.pem, a.key = issue(t, nil, &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "openesm test CA"},
	})
	return a
}

// leaf is a certificate of 127.0.0.1, for either side, with its key as PKCS#8.
func (a *authority) leaf(t *testing.T) (certificate, key []byte) {
	t.Helper()
	return a.leafUntil(t, time.Now().Add(time.Hour))
}

func (a *authority) leafUntil(t *testing.T, end time.Time) (certificate, key []byte) {
	t.Helper()
	_, certificate, private := issue(t, a, &x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, Subject: pkix.Name{CommonName: "openesm test"}, NotAfter: end,
	})
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// server is how a listener proves who it is.
func (a *authority) server(t *testing.T) *tls.Config {
	t.Helper()
	own, err := tls.X509KeyPair(a.leaf(t))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
}

// mutual is a server that wants clients to prove who they are, too.
func (a *authority) mutual(t *testing.T) *tls.Config {
	t.Helper()
	config := a.server(t)
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(a.certificate)
	return config
}

func issue(t *testing.T, by *authority, template *x509.Certificate) (*x509.Certificate, []byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

// cluster is an embedded broker.
func cluster(t *testing.T, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// users has SASL, and one user with the same name and password for all mechanisms.
func users() []kfake.Opt {
	return []kfake.Opt{
		kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "password"),
		kfake.Superuser("SCRAM-SHA-256", "user", "password"), kfake.Superuser("SCRAM-SHA-512", "user", "password"),
	}
}

// options are client options, or the end of the test.
func options(t *testing.T, configs ...access.Config) []kgo.Opt {
	t.Helper()
	o, err := access.Options(configs...)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func client(t *testing.T, address []string, o ...kgo.Opt) *kgo.Client {
	t.Helper()
	k, err := kgo.NewClient(append(o, kgo.SeedBrokers(address...), kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// reach makes a connection and tells how that went.
func reach(t *testing.T, address []string, configs ...access.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return client(t, address, options(t, configs...)...).Ping(ctx)
}

// fixture is a file of testdata.
func fixture(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// document is a secret.
func document(tb testing.TB, members map[string]any) []byte {
	tb.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// wantLines holds an error to all that is wrong.
func wantLines(t *testing.T, err error, want ...string) {
	t.Helper()
	got := "nil"
	if err != nil {
		got = err.Error()
	}
	if got != "kafka access: "+strings.Join(want, "\n") {
		t.Errorf("error:\n%s\nwant:\nkafka access: %s", got, strings.Join(want, "\n"))
	}
}
