package access

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ClientCertificateTLS authenticates by mutual TLS (CLIENT_CERTIFICATE_TLS_AUTH,
// KAF-103) with a chain of certificates, the client's own first, and the private
// key of that one in PKCS#8 form, both as PEM (KAF-114).
//
// The key may be encrypted with the password, which is ignored if it is not: by
// PBES1 with DES and MD5 or SHA-1, or its 3DES variant of PKCS#12
// (openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES), or, other than at AWS, by PBES2 with
// PBKDF2 and AES or 3DES, which is what OpenSSL does by default. All but the last
// are weak, and keep the key from nobody who has the secret anyway.
func ClientCertificateTLS(certificate, privateKey []byte, privateKeyPassword string) Config {
	chain, err := parseChain("certificate", certificate)
	key, keyErr := parsePrivateKey("privateKey", privateKey, privateKeyPassword)
	if err == nil && keyErr == nil && !belongs(key, chain[0]) {
		keyErr = errors.New("privateKey is not the key of the first certificate: the chain begins with the client's own")
	}
	return newConfig(TypeClientCertificateTLS, func(p *plan) {
		own := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
		for _, c := range chain {
			own.Certificate = append(own.Certificate, c.Raw)
		}
		p.tls.Certificates = []tls.Certificate{own}
	}, err, keyErr)
}

// ServerRootCA verifies the brokers' certificates by this one, or these, instead
// of the system's roots (SERVER_ROOT_CA_CERTIFICATE, KAF-104): PEM, needed when
// they are from a private CA (KAF-115). Alone it is TLS without authentication;
// it goes with every way to authenticate.
func ServerRootCA(certificate []byte) Config {
	roots, err := parseRoots("certificate", certificate)
	return newConfig(TypeServerRootCA, func(p *plan) { p.tls.RootCAs = roots }, err)
}

func parseRoots(member string, text []byte) (*x509.CertPool, error) {
	chain, err := parseChain(member, text)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, c := range chain {
		roots.AddCert(c)
	}
	return roots, nil
}

// parseChain reads one certificate or more.
func parseChain(member string, text []byte) ([]*x509.Certificate, error) {
	if len(text) == 0 {
		return nil, missing(member)
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s has a PEM block that is no CERTIFICATE", member)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: PEM block %d is no X.509 certificate", member, len(chain)+1)
		}
		chain = append(chain, certificate)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%s has no PEM block: want -----BEGIN CERTIFICATE----- on a line of its own", member)
	}
	return chain, nil
}

// belongs tells whether a certificate is of a private key.
func belongs(key crypto.Signer, certificate *x509.Certificate) bool {
	public, ok := key.Public().(interface {
		Equal(other crypto.PublicKey) bool
	})
	return ok && public.Equal(certificate.PublicKey)
}
