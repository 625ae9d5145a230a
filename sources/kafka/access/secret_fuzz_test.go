package access_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/openesm/openesm/sources/kafka/access"
)

var secretTypes = []access.Type{
	access.TypeBasicAuth, access.TypeSASLSCRAM256, access.TypeSASLSCRAM512, access.TypeClientCertificateTLS,
	access.TypeServerRootCA, access.TypeOAuthBearer,
}

// vocabulary is every line that errors of secrets are made of. What of a secret is in
// one of them too says nothing.
var vocabulary = sync.OnceValue(func() string {
	texts := []string{"secret is not UTF-8", "secret is no JSON object"}
	for _, member := range []string{
		"username", "password", "certificate", "privateKey", "privateKeyPassword", "oauthTokenEndpointUrl", "oauthClientId",
		"oauthClientSecret", "oauthClientEmail", "oauthPrivateKey", "oauthTokenExpirationSeconds", "oauthIdpCaCertificate",
	} {
		for _, text := range []string{
			" is missing or empty", " is no string", " must not have a NUL in it", " has a PEM block that is no CERTIFICATE",
			" has no PEM block: want -----BEGIN CERTIFICATE----- on a line of its own",
			" has no PEM block: want -----BEGIN PRIVATE KEY----- on a line of its own",
			" is not the key of the first certificate: the chain begins with the client's own",
			" is encrypted and privateKeyPassword is missing or empty", " is not opened by privateKeyPassword",
			" is no PKCS#8 key: want -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----; openssl pkcs8 -topk8 makes one",
			" is no private key that is not encrypted: want -----BEGIN PRIVATE KEY-----", " cannot be read", " cannot sign",
			" is no key that signs: want RSA, ECDSA or Ed25519", " is no RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key",
			" is encrypted in a way that is not supported: want PBES1 with DES and MD5 or SHA-1, PBE-SHA1-3DES, " +
				"or PBES2 with PBKDF2 and AES or 3DES in CBC mode",
			" is encrypted with a number of iterations that is not between 1 and 10000000",
			" is no https URL", " must not have a user in it", " must not have a fragment",
			" and oauthClientEmail or oauthPrivateKey are of two grants, want one",
			", or oauthClientEmail and oauthPrivateKey, is missing or empty",
			" is not a whole number of seconds between 1 and 86400",
		} {
			texts = append(texts, member+text)
		}
		for n := range 100 {
			texts = append(texts, fmt.Sprintf("%s: PEM block %d is no X.509 certificate", member, n))
		}
	}
	var lines strings.Builder
	for _, kind := range secretTypes {
		for _, text := range texts {
			lines.WriteString("kafka access: " + string(kind) + ": " + text + "\x00")
		}
	}
	return lines.String()
})

// wantNothingOf fails if four bytes of a secret are in an error and not in the
// vocabulary.
func wantNothingOf(t *testing.T, secret string, err error) {
	t.Helper()
	for line := range strings.SplitSeq(err.Error(), "\n") {
		for i := range len(secret) - 3 {
			if part := secret[i : i+4]; strings.Contains(line, part) && !strings.Contains(vocabulary(), part) {
				t.Errorf("%q of the secret is in %q", part, line)
			}
		}
	}
}

// Whatever the secret is, no part of it is in the error, nor in what is printed of
// the entry.
func FuzzSecretIsInNoError_P13(f *testing.F) {
	for _, secret := range []string{
		`{"username": "user", "password": "hunter2"}`,
		`{"username": "user", "password": 1234567890}`,
		`{"username": "user", "password": "hunter2`,
		`{"certificate": "hunter2", "privateKey": "hunter2", "privateKeyPassword": "hunter2"}`,
		`{"oauthTokenEndpointUrl": "https://user:hunter2@idp", "oauthClientId": "id", "oauthClientSecret": "hunter2"}`,
		`hunter2`, "\xffhunter2", `{"hunter2": hunter2}`, `{"username": "\hunter2"}`,
		string(document(f, map[string]any{"certificate": string(fixture(f, "certificate.pem")), "privateKey": string(fixture(f, "pbes1-PBE-MD5-DES.pem")), "privateKeyPassword": "wrong"})),
	} {
		for i := range secretTypes {
			f.Add(uint8(i), []byte(secret))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, secret []byte) {
		if len(secret) > 65_536 {
			t.Skip("its size is told, and may be a number in it")
		}
		kind := secretTypes[int(i)%len(secretTypes)]
		config, err := access.FromSecret(kind, secret)
		if err != nil {
			wantNothingOf(t, string(secret), err)
			kind = "none"
		}
		if got := fmt.Sprintf("%v%+v%#v%s%q%d", config, config, config, config, config, config); got != strings.Repeat(string(kind), 6) {
			t.Errorf("the entry prints as %s", got)
		}
	})
}

// The same for documents that are well-formed, whose members may be anything.
func FuzzMembersAreInNoError_P13(f *testing.F) {
	f.Add(uint8(0), "user", "hunter2", "hunter3")
	f.Add(uint8(3), string(fixture(f, "certificate.pem")), string(fixture(f, "pbes2-aes-256-cbc.pem")), "wrong")
	f.Add(uint8(5), "https://hunter2.example.com/%zz", "hunter3", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, i uint8, one, two, three string) {
		secret := document(t, map[string]any{
			"username": one, "password": two,
			"certificate": one, "privateKey": two, "privateKeyPassword": three,
			"oauthTokenEndpointUrl": one, "oauthClientId": two, "oauthClientSecret": three, "oauthClientEmail": two, "oauthPrivateKey": three,
			"oauthTokenExpirationSeconds": one, "oauthIdpCaCertificate": three,
		})
		_, err := access.FromSecret(secretTypes[int(i)%len(secretTypes)], secret)
		if err == nil {
			return
		}
		for _, value := range []string{one, two, three} {
			wantNothingOf(t, value, err)
		}
	})
}
