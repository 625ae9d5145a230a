package access_test

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/openesm/openesm/sources/kafka/access"
)

func ownToken(context.Context) (string, map[string]string, error) { return "token", nil, nil }

func webIdentity(context.Context, string) (string, error) { return "token", nil }

// What a client gets of entries that go together: whether there is TLS, and the mechanism
// (KAF-107, KAF-108, KAF-109, KAF-110, KAF-112).
func TestTogether(t *testing.T) {
	t.Parallel()
	all := entries(t, "secret")
	one := func(kinds ...string) []access.Config {
		configs := make([]access.Config, len(kinds))
		for i, kind := range kinds {
			configs[i] = all[kind]
		}
		return configs
	}
	for _, c := range []struct {
		configs   []access.Config
		tls       bool
		mechanism string
	}{
		{nil, false, ""},
		{one("PLAINTEXT"), false, ""},
		{one("SSL"), true, ""},
		{one("SERVER_ROOT_CA_CERTIFICATE"), true, ""},
		{one("SSL", "SERVER_ROOT_CA_CERTIFICATE"), true, ""},
		{one("BASIC_AUTH"), true, "PLAIN"},
		{one("SASL_SCRAM_256_AUTH", "SERVER_ROOT_CA_CERTIFICATE"), true, "SCRAM-SHA-256"},
		{one("SASL_SCRAM_512_AUTH", "SSL"), true, "SCRAM-SHA-512"},
		{one("SASL_SCRAM_512_AUTH", "SASL_PLAINTEXT"), false, "SCRAM-SHA-512"},
		{one("CLIENT_CERTIFICATE_TLS_AUTH"), true, ""},
		{one("CLIENT_CERTIFICATE_TLS_AUTH", "SERVER_ROOT_CA_CERTIFICATE"), true, ""},
		{one("OAUTHBEARER_AUTH"), true, "OAUTHBEARER"},
		{one("OAUTHBEARER_SCOPE", "OAUTHBEARER_AUDIENCE", "OAUTHBEARER_AUTH", "OAUTHBEARER_LOGICAL_CLUSTER",
			"OAUTHBEARER_IDENTITY_POOL", "SERVER_ROOT_CA_CERTIFICATE"), true, "OAUTHBEARER"},
		{append(one("OAUTHBEARER_LOGICAL_CLUSTER"), access.OAuthBearerToken(ownToken)), true, "OAUTHBEARER"},
		{one("IAM_AUTH"), true, "AWS_MSK_IAM"},
		{one("IAM_AUTH", "SERVER_ROOT_CA_CERTIFICATE"), true, "AWS_MSK_IAM"},
		{one("IAM_OAUTHBEARER_AUTH", "OAUTHBEARER_AUDIENCE"), true, "OAUTHBEARER"},
	} {
		k, err := kgo.NewClient(options(t, c.configs...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		config, _ := k.OptValue(kgo.DialTLSConfig).(*tls.Config)
		if c.tls != (config != nil) || config != nil && (config.MinVersion != tls.VersionTLS12 || config.InsecureSkipVerify) {
			t.Errorf("%v: TLS %v", c.configs, config != nil)
		}
		var names []string
		for _, m := range k.OptValue(kgo.SASL).([]sasl.Mechanism) {
			names = append(names, m.Name())
		}
		if strings.Join(names, " ") != c.mechanism {
			t.Errorf("%v: mechanisms %v, want %s", c.configs, names, c.mechanism)
		}
	}
}

func TestTwoWays_KAF119(t *testing.T) {
	t.Parallel()
	all := entries(t, "secret")
	ways := []string{
		"BASIC_AUTH", "SASL_SCRAM_256_AUTH", "SASL_SCRAM_512_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH", "OAUTHBEARER_AUTH", "IAM_AUTH",
	}
	for _, one := range ways {
		for _, other := range ways {
			_, err := access.Options(all[one], all[other], access.ServerRootCA(fixture(t, "certificate.pem")))
			pair := []string{one, other}
			slices.Sort(pair)
			if one == other {
				wantLines(t, err, one+" is there 2 times, want once")
			} else {
				wantLines(t, err, strings.Join(pair, ", ")+" are 2 ways to authenticate, want one at most")
			}
		}
	}
}

// Literals need (KAF-108, KAF-110).
func TestLiteralsNeed(t *testing.T) {
	t.Parallel()
	all := entries(t, "secret")
	literals := []access.Config{
		all["OAUTHBEARER_SCOPE"], all["OAUTHBEARER_AUDIENCE"], all["OAUTHBEARER_LOGICAL_CLUSTER"], all["OAUTHBEARER_IDENTITY_POOL"],
	}
	_, err := access.Options(append(literals, all["BASIC_AUTH"])...)
	wantLines(t, err,
		"OAUTHBEARER_AUDIENCE needs OAUTHBEARER_AUTH or IAM_OAUTHBEARER_AUTH",
		"OAUTHBEARER_IDENTITY_POOL needs OAUTHBEARER_AUTH",
		"OAUTHBEARER_LOGICAL_CLUSTER needs OAUTHBEARER_AUTH",
		"OAUTHBEARER_SCOPE needs OAUTHBEARER_AUTH")
	_, err = access.Options(append(literals, access.IAMOAuthBearer(webIdentity))...)
	wantLines(t, err,
		"OAUTHBEARER_IDENTITY_POOL is refused with IAM_OAUTHBEARER_AUTH: it needs OAUTHBEARER_AUTH",
		"OAUTHBEARER_LOGICAL_CLUSTER is refused with IAM_OAUTHBEARER_AUTH: it needs OAUTHBEARER_AUTH",
		"OAUTHBEARER_SCOPE is refused with IAM_OAUTHBEARER_AUTH: it needs OAUTHBEARER_AUTH")
	_, err = access.Options(access.IAMOAuthBearer(webIdentity))
	wantLines(t, err, "IAM_OAUTHBEARER_AUTH needs OAUTHBEARER_AUDIENCE")
	_, err = access.Options(append(literals, access.OAuthBearerToken(ownToken))...)
	wantLines(t, err,
		"OAUTHBEARER_AUDIENCE is refused with a token function, which asks for what it likes",
		"OAUTHBEARER_SCOPE is refused with a token function, which asks for what it likes")
	_, err = access.Options(all["OAUTHBEARER_SCOPE"], all["OAUTHBEARER_SCOPE"], all["OAUTHBEARER_AUTH"])
	wantLines(t, err, "OAUTHBEARER_SCOPE is there 2 times, want once")
}

// Literal (KAF-108, KAF-111).
func TestLiteral(t *testing.T) {
	t.Parallel()
	bearer := access.OAuthBearerToken(ownToken)
	for _, value := range []string{"x", "lkc-abc123 ~!", strings.Repeat("x", 200)} {
		if _, err := access.Options(bearer, access.Literal(access.TypeOAuthBearerLogicalCluster, value)); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	for value, want := range map[string]string{
		"":                       "value has 0 characters, want 1 to 200",
		strings.Repeat("x", 201): "value has 201 characters, want 1 to 200",
		"lkc\x01auth=Bearer x":   "value has characters that are not printable ASCII",
		"lkc-ä":                  "value has characters that are not printable ASCII",
		"lkc\n":                  "value has characters that are not printable ASCII",
	} {
		_, err := access.Options(bearer, access.Literal(access.TypeOAuthBearerLogicalCluster, value))
		wantLines(t, err, "OAUTHBEARER_LOGICAL_CLUSTER: "+want)
	}
	_, err := access.Options(access.Literal(access.TypeBasicAuth, "x"))
	wantLines(t, err, "BASIC_AUTH: has no literal value: want OAUTHBEARER_SCOPE, OAUTHBEARER_AUDIENCE, "+
		"OAUTHBEARER_LOGICAL_CLUSTER or OAUTHBEARER_IDENTITY_POOL")
}

func TestCount_KAF111(t *testing.T) {
	t.Parallel()
	roots := slices.Repeat([]access.Config{access.TLS()}, 22)
	_, err := access.Options(roots...)
	wantLines(t, err, "SSL is there 22 times, want once")
	_, err = access.Options(append(roots, access.Plaintext())...)
	wantLines(t, err,
		"23 entries, want 0 to 22",
		"SSL is there 22 times, want once",
		"PLAINTEXT goes with nothing else, and there is SSL: every way to authenticate is over TLS")
}

func TestPlaintextGoesWithNothing_KAF112(t *testing.T) {
	t.Parallel()
	for kind, config := range entries(t, "secret") {
		if kind == "PLAINTEXT" || kind == "none" || strings.HasPrefix(kind, "OAUTHBEARER_") || kind == "IAM_OAUTHBEARER_AUTH" {
			continue
		}
		_, err := access.Options(config, access.Plaintext())
		want := []string{"PLAINTEXT goes with nothing else, and there is " + kind + ": every way to authenticate is over TLS"}
		if kind == "SASL_PLAINTEXT" {
			want = append(want, "SASL_PLAINTEXT needs a way to authenticate by SASL")
		}
		wantLines(t, err, want...)
	}
	_, err := access.Options(access.SASLPlaintext())
	wantLines(t, err, "SASL_PLAINTEXT needs a way to authenticate by SASL")
	all := entries(t, "secret")
	_, err = access.Options(access.SASLPlaintext(), all["CLIENT_CERTIFICATE_TLS_AUTH"], access.TLS(), all["SERVER_ROOT_CA_CERTIFICATE"])
	wantLines(t, err,
		"SASL_PLAINTEXT needs a way to authenticate by SASL",
		"SASL_PLAINTEXT excludes TLS, and there is CLIENT_CERTIFICATE_TLS_AUTH, SERVER_ROOT_CA_CERTIFICATE, SSL")
}

// All that is wrong is named at once, in the entries and between them.
func TestEverythingWrong(t *testing.T) {
	t.Parallel()
	_, err := access.Options(
		access.BasicAuth("", "pass\x00word"),
		access.SASLSCRAM256("user", ""),
		access.ClientCertificateTLS(nil, nil, ""),
		access.ServerRootCA([]byte("no PEM")),
		access.Literal(access.TypeOAuthBearerScope, ""),
		access.IAM(nil, ""),
		access.IAMOAuthBearer(nil),
		access.OAuthBearerToken(nil),
		access.Config{},
	)
	wantLines(t, err,
		"BASIC_AUTH: username is missing or empty",
		"BASIC_AUTH: password must not have a NUL in it",
		"SASL_SCRAM_256_AUTH: password is missing or empty",
		"CLIENT_CERTIFICATE_TLS_AUTH: certificate is missing or empty",
		"CLIENT_CERTIFICATE_TLS_AUTH: privateKey is missing or empty",
		"SERVER_ROOT_CA_CERTIFICATE: certificate has no PEM block: want -----BEGIN CERTIFICATE----- on a line of its own",
		"OAUTHBEARER_SCOPE: value has 0 characters, want 1 to 200",
		"IAM_AUTH: credentials provider is nil",
		"IAM_OAUTHBEARER_AUTH: token function is nil",
		"OAUTHBEARER_AUTH: token function is nil",
		"entry 8 is the zero Config: use a constructor",
		"BASIC_AUTH, CLIENT_CERTIFICATE_TLS_AUTH, IAM_AUTH, IAM_OAUTHBEARER_AUTH, OAUTHBEARER_AUTH, SASL_SCRAM_256_AUTH "+
			"are 6 ways to authenticate, want one at most",
		"IAM_OAUTHBEARER_AUTH needs OAUTHBEARER_AUDIENCE",
	)
}
