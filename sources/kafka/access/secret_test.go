package access_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/openesm/openesm/sources/kafka/access"
)

func TestSecret_KAF113(t *testing.T) {
	t.Parallel()
	c := cluster(t, users()...)
	secret := []byte(`{"password": "password", "username": "user", "engine": "kafka", "port": 9096, "Username": "no"}`)
	for _, kind := range []access.Type{access.TypeBasicAuth, access.TypeSASLSCRAM256, access.TypeSASLSCRAM512} {
		config, err := access.FromSecret(kind, secret)
		if err != nil {
			t.Fatal(err)
		}
		if config.String() != string(kind) {
			t.Errorf("%s becomes %v", kind, config)
		}
		if err := reach(t, c.ListenAddrs(), config, access.SASLPlaintext()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		k := string(kind)
		for _, wrong := range []struct {
			secret string
			want   []string
		}{
			{`{}`, []string{k + ": username is missing or empty", k + ": password is missing or empty"}},
			{`{"username": "user"}`, []string{k + ": password is missing or empty"}},
			{`{"username": "", "password": null}`, []string{k + ": username is missing or empty", k + ": password is missing or empty"}},
			{`{"Username": "user", "PASSWORD": "word"}`, []string{k + ": username is missing or empty", k + ": password is missing or empty"}},
			{`{"username": "user", "password": 12345678}`, []string{k + ": password is no string"}},
			{`{"username": ["user"], "password": {}}`, []string{k + ": username is no string", k + ": password is no string"}},
			{`{"username": "user", "password": "pass\u0000word"}`, []string{k + ": password must not have a NUL in it"}},
			{`{"username": "user", "password": "pass` + "\xff" + `"}`, []string{k + ": secret is not UTF-8"}},
			{``, []string{k + ": secret is no JSON object"}},
			{`null`, []string{k + ": secret is no JSON object"}},
			{`hunter2hunter2`, []string{k + ": secret is no JSON object"}},
			{`["user", "hunter2"]`, []string{k + ": secret is no JSON object"}},
			{`{"username": "user", "password": "hunter2"`, []string{k + ": secret is no JSON object"}},
			{`{"username": "user", "password": "hunter2"} hunter2`, []string{k + ": secret is no JSON object"}},
			{strings.Repeat(" ", 65_537), []string{k + ": secret has 65537 bytes, want at most 65536"}},
		} {
			_, err := access.FromSecret(kind, []byte(wrong.secret))
			wantLines(t, err, wrong.want...)
		}
	}
}

func TestSecret_KAF114(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	c := cluster(t, kfake.TLS(ca.mutual(t)))
	certificate, key := ca.leaf(t)
	config, err := access.FromSecret(access.TypeClientCertificateTLS, document(t, map[string]any{
		"certificate": string(certificate) + string(ca.pem), "privateKey": string(key),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := reach(t, c.ListenAddrs(), config, access.ServerRootCA(ca.pem)); err != nil {
		t.Error(err)
	}
	kind := "CLIENT_CERTIFICATE_TLS_AUTH: "
	own, private := string(fixture(t, "certificate.pem")), string(fixture(t, "pkcs8.pem"))
	encrypted := string(fixture(t, "pbes1-PBE-SHA1-DES.pem"))
	pkcs8 := "want -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----; openssl pkcs8 -topk8 makes one"
	for _, members := range []map[string]any{
		{"certificate": own, "privateKey": private},
		{"certificate": own, "privateKey": private, "privateKeyPassword": "not needed"},
		{"certificate": own, "privateKey": private, "privateKeyPassword": nil},
		{"certificate": own, "privateKey": encrypted, "privateKeyPassword": "testpassword"},
		{"certificate": "text before\n" + own + string(certificate), "privateKey": private},
	} {
		if _, err := access.FromSecret(access.TypeClientCertificateTLS, document(t, members)); err != nil {
			t.Error(err)
		}
	}
	for _, wrong := range []struct {
		members map[string]any
		want    []string
	}{
		{map[string]any{}, []string{"certificate is missing or empty", "privateKey is missing or empty"}},
		{map[string]any{"certificate": own, "privateKey": private, "privateKeyPassword": 1234}, []string{"privateKeyPassword is no string"}},
		{map[string]any{"certificate": private, "privateKey": own}, []string{"certificate has a PEM block that is no CERTIFICATE", "privateKey is no PKCS#8 key: " + pkcs8}},
		{map[string]any{"certificate": own + private, "privateKey": private}, []string{"certificate has a PEM block that is no CERTIFICATE"}},
		{map[string]any{"certificate": strings.ReplaceAll(own, "\n", " "), "privateKey": private}, []string{"certificate has no PEM block: want -----BEGIN CERTIFICATE----- on a line of its own"}},
		{map[string]any{"certificate": own + "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "privateKey": private}, []string{"certificate: PEM block 2 is no X.509 certificate"}},
		{map[string]any{"certificate": string(certificate) + own, "privateKey": private}, []string{"privateKey is not the key of the first certificate: the chain begins with the client's own"}},
		{map[string]any{"certificate": own, "privateKey": "secret"}, []string{"privateKey has no PEM block: want -----BEGIN PRIVATE KEY----- on a line of its own"}},
		{map[string]any{"certificate": own, "privateKey": string(fixture(t, "sec1.pem"))}, []string{"privateKey is no PKCS#8 key: " + pkcs8}},
		{map[string]any{"certificate": own, "privateKey": string(fixture(t, "legacy.pem")), "privateKeyPassword": "testpassword"}, []string{"privateKey is no PKCS#8 key: " + pkcs8}},
		{map[string]any{"certificate": own, "privateKey": string(fixture(t, "x25519.pem"))}, []string{"privateKey is no key that signs: want RSA, ECDSA or Ed25519"}},
		{map[string]any{"certificate": own, "privateKey": encrypted}, []string{"privateKey is encrypted and privateKeyPassword is missing or empty"}},
		{map[string]any{"certificate": own, "privateKey": encrypted, "privateKeyPassword": "wrong"}, []string{"privateKey is not opened by privateKeyPassword"}},
		{map[string]any{"certificate": own, "privateKey": "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n"}, []string{"privateKey cannot be read"}},
		{map[string]any{"certificate": own, "privateKey": "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n", "privateKeyPassword": "x"}, []string{"privateKey cannot be read"}},
	} {
		_, err := access.FromSecret(access.TypeClientCertificateTLS, document(t, wrong.members))
		for i := range wrong.want {
			wrong.want[i] = kind + wrong.want[i]
		}
		wantLines(t, err, wrong.want...)
	}
}

func TestSecret_KAF115(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	c := cluster(t, kfake.TLS(ca.server(t)))
	for _, certificates := range [][]byte{ca.pem, slices.Concat(other.pem, ca.pem)} {
		config, err := access.FromSecret(access.TypeServerRootCA, document(t, map[string]any{"certificate": string(certificates)}))
		if err != nil {
			t.Fatal(err)
		}
		if err := reach(t, c.ListenAddrs(), config); err != nil {
			t.Error(err)
		}
	}
	_, err := access.FromSecret(access.TypeServerRootCA, []byte(`{"certificate": ""}`))
	wantLines(t, err, "SERVER_ROOT_CA_CERTIFICATE: certificate is missing or empty")
}

func TestSecret_KAF116(t *testing.T) {
	t.Parallel()
	rsa, certificate := string(fixture(t, "rsa.pem")), string(fixture(t, "certificate.pem"))
	url := "https://idp.example.com/oauth2/token"
	for _, members := range []map[string]any{
		{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret"},
		{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthIdpCaCertificate": certificate, "oauthTokenExpirationSeconds": "60"},
		{"oauthTokenEndpointUrl": url + "?tenant=1", "oauthClientId": "id", "oauthClientEmail": "app@example.com", "oauthPrivateKey": rsa, "oauthTokenExpirationSeconds": 3600},
		{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app@example.com", "oauthPrivateKey": string(fixture(t, "sec1.pem")), "oauthTokenExpirationSeconds": nil},
		{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app@example.com", "oauthPrivateKey": string(fixture(t, "rsa-pkcs1.pem")), "oauthClientSecret": ""},
	} {
		config, err := access.FromSecret(access.TypeOAuthBearer, document(t, members))
		if err != nil || config.String() != "OAUTHBEARER_AUTH" {
			t.Errorf("%v: %v, %v", members, config, err)
		}
	}
	const (
		grants   = "oauthClientSecret and oauthClientEmail or oauthPrivateKey are of two grants, want one"
		noGrant  = "oauthClientSecret, or oauthClientEmail and oauthPrivateKey, is missing or empty"
		lifetime = "oauthTokenExpirationSeconds is not a whole number of seconds between 1 and 86400"
	)
	for _, wrong := range []struct {
		members map[string]any
		want    []string
	}{
		{map[string]any{}, []string{"oauthTokenEndpointUrl is missing or empty", "oauthClientId is missing or empty", noGrant}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id"}, []string{noGrant}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientSecret": "secret"}, []string{"oauthClientId is missing or empty"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthClientEmail": "app@example.com"}, []string{grants}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthPrivateKey": rsa}, []string{grants}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientEmail": "app@example.com"}, []string{"oauthPrivateKey is missing or empty"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthPrivateKey": rsa}, []string{"oauthClientEmail is missing or empty"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app", "oauthPrivateKey": string(fixture(t, "p224.pem"))}, []string{"oauthPrivateKey is no RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app", "oauthPrivateKey": string(fixture(t, "rsa-short.pem"))}, []string{"oauthPrivateKey cannot sign"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app", "oauthPrivateKey": string(fixture(t, "x25519.pem"))}, []string{"oauthPrivateKey is no key that signs: want RSA, ECDSA or Ed25519"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app", "oauthPrivateKey": string(fixture(t, "legacy.pem"))}, []string{"oauthPrivateKey cannot be read"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientEmail": "app", "oauthPrivateKey": string(fixture(t, "pbes1-PBE-SHA1-DES.pem"))}, []string{"oauthPrivateKey is no private key that is not encrypted: want -----BEGIN PRIVATE KEY-----"}},
		{map[string]any{"oauthTokenEndpointUrl": "http://idp.example.com/token", "oauthClientId": "id", "oauthClientSecret": "secret"}, []string{"oauthTokenEndpointUrl is no https URL"}},
		{map[string]any{"oauthTokenEndpointUrl": "https:///token", "oauthClientId": "id", "oauthClientSecret": "secret"}, []string{"oauthTokenEndpointUrl is no https URL"}},
		{map[string]any{"oauthTokenEndpointUrl": "https://idp.example.com/%zz", "oauthClientId": "id", "oauthClientSecret": "secret"}, []string{"oauthTokenEndpointUrl is no https URL"}},
		{map[string]any{"oauthTokenEndpointUrl": "https://user:pass@idp.example.com", "oauthClientId": "id", "oauthClientSecret": "secret"}, []string{"oauthTokenEndpointUrl must not have a user in it"}},
		{map[string]any{"oauthTokenEndpointUrl": url + "#part", "oauthClientId": "id", "oauthClientSecret": "secret"}, []string{"oauthTokenEndpointUrl must not have a fragment"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthIdpCaCertificate": "none"}, []string{"oauthIdpCaCertificate has no PEM block: want -----BEGIN CERTIFICATE----- on a line of its own"}},
		{map[string]any{"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthIdpCaCertificate": true}, []string{"oauthIdpCaCertificate is no string"}},
	} {
		_, err := access.FromSecret(access.TypeOAuthBearer, document(t, wrong.members))
		for i := range wrong.want {
			wrong.want[i] = "OAUTHBEARER_AUTH: " + wrong.want[i]
		}
		wantLines(t, err, wrong.want...)
	}
	for _, seconds := range []any{0, -1, 1.5, 86_401, 1e30, "", "60s", "-5", " 60", true, []int{60}} {
		_, err := access.FromSecret(access.TypeOAuthBearer, document(t, map[string]any{
			"oauthTokenEndpointUrl": url, "oauthClientId": "id", "oauthClientSecret": "secret", "oauthTokenExpirationSeconds": seconds,
		}))
		if want := "kafka access: OAUTHBEARER_AUTH: " + lifetime; fmt.Sprint(err) != want {
			t.Errorf("%v seconds: %v", seconds, err)
		}
	}
}

// VPC types say where AWS's own pollers run (KAF-105, KAF-106, KAF-108, KAF-109, KAF-110).
func TestTypesWithoutSecret(t *testing.T) {
	t.Parallel()
	for kind, want := range map[access.Type]string{
		access.TypeVPCSubnet:                 "VPC_SUBNET has no secret: it says where the pollers of AWS run, and is to be left out",
		access.TypeVPCSecurityGroup:          "VPC_SECURITY_GROUP has no secret: it says where the pollers of AWS run, and is to be left out",
		access.TypeOAuthBearerScope:          "OAUTHBEARER_SCOPE has no secret: use Literal",
		access.TypeOAuthBearerAudience:       "OAUTHBEARER_AUDIENCE has no secret: use Literal",
		access.TypeOAuthBearerLogicalCluster: "OAUTHBEARER_LOGICAL_CLUSTER has no secret: use Literal",
		access.TypeOAuthBearerIdentityPool:   "OAUTHBEARER_IDENTITY_POOL has no secret: use Literal",
		access.TypeIAM:                       "IAM_AUTH has no secret: use IAM",
		access.TypeIAMOAuthBearer:            "IAM_OAUTHBEARER_AUTH has no secret: use IAMOAuthBearer",
		"VIRTUAL_HOST":                       "type is none of AWS's for Kafka",
		"PLAINTEXT":                          "type is none of AWS's for Kafka",
		"":                                   "type is none of AWS's for Kafka",
	} {
		_, err := access.FromSecret(kind, []byte(`{"username": "user", "password": "password"}`))
		wantLines(t, err, want)
	}
}
