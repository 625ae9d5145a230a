package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/kafka/access"
)

// The assertion is signed by the key, is about the service account, and lives as long
// as the secret says.
func TestSignedAssertion_KAF116(t *testing.T) {
	t.Parallel()
	for key, algorithm := range map[string]string{
		"rsa.pem": "RS256", "rsa-pkcs1.pem": "RS256", "pkcs8.pem": "ES256", "sec1.pem": "ES256",
		"p384.pem": "ES384", "p521.pem": "ES512", "ed25519.pem": "EdDSA",
	} {
		for seconds, life := range map[any]int64{nil: 300, 60: 60, "3600": 3600} {
			t.Run(fmt.Sprint(key, seconds), func(t *testing.T) {
				t.Parallel()
				var form url.Values
				endpoint, ca := provider(t, func(w http.ResponseWriter, r *http.Request) {
					_ = r.ParseForm()
					form = r.PostForm
					if r.Header.Get("Authorization") != "" {
						w.WriteHeader(http.StatusBadRequest)
						return
					}
					grants(w, "token", 3600)
				})
				config, err := access.FromSecret(access.TypeOAuthBearer, document(t, map[string]any{
					"oauthTokenEndpointUrl": endpoint, "oauthClientId": "client", "oauthClientEmail": "app@example.com",
					"oauthPrivateKey": string(fixture(t, key)), "oauthTokenExpirationSeconds": seconds, "oauthIdpCaCertificate": string(ca),
				}))
				if err != nil {
					t.Fatal(err)
				}
				before := time.Now().Unix()
				if _, err := message(t, mechanism(t, config, access.Literal(access.TypeOAuthBearerScope, "kafka"))); err != nil {
					t.Fatal(err)
				}
				assertion := form.Get("assertion")
				form.Del("assertion")
				if got := form.Encode(); got != "client_id=client&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&scope=kafka" {
					t.Errorf("form %s", got)
				}
				claims := verify(t, assertion, algorithm, fixture(t, key))
				issued, _ := claims["iat"].(float64)
				expires, _ := claims["exp"].(float64)
				if claims["iss"] != "app@example.com" || claims["sub"] != "app@example.com" || claims["aud"] != endpoint || claims["scope"] != "kafka" ||
					claims["jti"] == "" || int64(issued) < before || int64(issued) > time.Now().Unix() || int64(expires-issued) != life {
					t.Errorf("claims %v", claims)
				}
			})
		}
	}
}

// verify returns the claims of an assertion that is signed well.
func verify(t *testing.T, assertion, algorithm string, key []byte) map[string]any {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Fatalf("assertion %q", assertion)
	}
	decoded := make([][]byte, 3)
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	if string(decoded[0]) != `{"alg":"`+algorithm+`","typ":"JWT"}` {
		t.Errorf("header %s", decoded[0])
	}
	signed, signature := []byte(parts[0]+"."+parts[1]), decoded[2]
	numbers := func() (r, s *big.Int) {
		return new(big.Int).SetBytes(signature[:len(signature)/2]), new(big.Int).SetBytes(signature[len(signature)/2:])
	}
	var digest []byte
	switch algorithm {
	case "ES384":
		sum := sha512.Sum384(signed)
		digest = sum[:]
	case "ES512":
		sum := sha512.Sum512(signed)
		digest = sum[:]
	default:
		sum := sha256.Sum256(signed)
		digest = sum[:]
	}
	ok := false
	switch public := public(t, key).(type) {
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, signature) == nil
	case *ecdsa.PublicKey:
		r, s := numbers()
		ok = len(signature) == 2*((public.Params().BitSize+7)/8) && ecdsa.Verify(public, digest, r, s)
	case ed25519.PublicKey:
		ok = ed25519.Verify(public, signed, signature)
	}
	if !ok {
		t.Errorf("%s: the signature is wrong", algorithm)
	}
	var claims map[string]any
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func public(t *testing.T, text []byte) crypto.PublicKey {
	t.Helper()
	block, _ := pem.Decode(text)
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key.(crypto.Signer).Public()
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key.Public()
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}
