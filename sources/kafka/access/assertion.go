package access

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // registers the hashes of the algorithms
	_ "crypto/sha512" // registers the hashes of the algorithms
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"time"
)

// algorithm is how a key signs (RFC 7518, 3.1).
type algorithm struct {
	name string
	hash crypto.Hash
	// size is the length of each of the two numbers of an ECDSA signature.
	size int
}

// algorithmOf is the algorithm of a key; ok is false if there is none.
func algorithmOf(key crypto.Signer) (a algorithm, ok bool) {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return algorithm{name: "RS256", hash: crypto.SHA256}, true
	case ed25519.PublicKey:
		return algorithm{name: "EdDSA"}, true
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return algorithm{name: "ES256", hash: crypto.SHA256, size: 32}, true
		case elliptic.P384():
			return algorithm{name: "ES384", hash: crypto.SHA384, size: 48}, true
		case elliptic.P521():
			return algorithm{name: "ES512", hash: crypto.SHA512, size: 66}, true
		}
	}

	return algorithm{}, false
}

func checkAlgorithm(member string, key crypto.Signer) error {
	a, ok := algorithmOf(key)
	if !ok {
		return errors.New(member + " is no RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key")
	}

	// Package rsa refuses keys that are too short.
	_, err := a.sign(key, nil)
	if err != nil {
		return errors.New(member + " cannot sign")
	}

	return nil
}

// sign makes the assertion of a token request (RFC 7523, 3). Scope is a claim too
// because Google's token endpoint, whose names for the members AWS took over, reads
// it there.
func sign(key crypto.Signer, o OAuth, scope string, now time.Time) (string, error) {
	a, ok := algorithmOf(key)
	if !ok {
		return "", errors.ErrUnsupported
	}

	header, err := json.Marshal(map[string]string{"alg": a.name, "typ": "JWT"})
	if err != nil {
		return "", err
	}

	claims := map[string]any{
		"iss": o.ClientEmail,
		"sub": o.ClientEmail,
		"aud": o.TokenEndpoint,
		"iat": now.Unix(),
		"exp": now.Add(cmp.Or(o.AssertionLifetime, DefaultAssertionLifetime)).Unix(),
		"jti": rand.Text(),
	}
	if scope != "" {
		claims["scope"] = scope
	}

	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}

	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)

	signature, err := a.sign(key, []byte(signed))
	if err != nil {
		return "", err
	}

	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (a algorithm) sign(key crypto.Signer, message []byte) ([]byte, error) {
	digest := message

	if a.hash != 0 {
		h := a.hash.New()
		h.Write(message)
		digest = h.Sum(nil)
	}

	signature, err := key.Sign(rand.Reader, digest, a.hash)
	if err != nil || a.size == 0 {
		return signature, err
	}

	// What Go signs as ASN.1, a JWT has as two numbers of fixed length (RFC 7518, 3.4).
	var numbers struct{ R, S *big.Int }
	if !unmarshal(signature, &numbers) {
		return nil, asn1.StructuralError{Msg: "signature"}
	}

	fixed := make([]byte, 2*a.size)
	numbers.R.FillBytes(fixed[:a.size])
	numbers.S.FillBytes(fixed[a.size:])

	return fixed, nil
}
