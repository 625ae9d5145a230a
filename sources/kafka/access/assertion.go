package access

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// algorithmOf is how a key signs (RFC 7518, 3.1); nil if there is no way.
func algorithmOf(key crypto.Signer) jwt.SigningMethod {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return jwt.SigningMethodRS256
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return jwt.SigningMethodES256
		case elliptic.P384():
			return jwt.SigningMethodES384
		case elliptic.P521():
			return jwt.SigningMethodES512
		}
	}
	return nil
}

func checkAlgorithm(member string, key crypto.Signer) error {
	algorithm := algorithmOf(key)
	if algorithm == nil {
		return errors.New(member + " is no RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key")
	}

	// Package rsa refuses keys that are too short.
	_, err := algorithm.Sign("", key)
	if err != nil {
		return errors.New(member + " cannot sign")
	}
	return nil
}

// sign makes the assertion of a token request (RFC 7523, 3). Scope is a claim too
// because Google's token endpoint, whose names for the members AWS took over, reads
// it there.
func sign(key crypto.Signer, o OAuth, scope string, now time.Time) (string, error) {
	claims := jwt.MapClaims{
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
	return jwt.NewWithClaims(algorithmOf(key), claims).SignedString(key)
}
