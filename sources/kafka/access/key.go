package access

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	blockPKCS8     = "PRIVATE KEY"
	blockEncrypted = "ENCRYPTED PRIVATE KEY"
)

// parsePrivateKey reads the key of a client's certificate (KAF-114).
func parsePrivateKey(member string, text []byte, password string) (crypto.Signer, error) {
	block, err := pemBlock(member, text)
	if err != nil {
		return nil, err
	}
	der := block.Bytes
	switch block.Type {
	case blockPKCS8:
	case blockEncrypted:
		if password == "" {
			return nil, fmt.Errorf("%s is encrypted and %sPassword is missing or empty", member, member)
		}
		der, err = decryptPKCS8(der, []byte(password))
		if err != nil {
			return nil, fmt.Errorf("%s %w", member, err)
		}
	default:
		return nil, fmt.Errorf("%s is no PKCS#8 key: want -----BEGIN %s----- or -----BEGIN %s-----; openssl pkcs8 -topk8 makes one",
			member, blockPKCS8, blockEncrypted)
	}
	signer, err := parseSigner(member, der)
	if err != nil && block.Type == blockEncrypted {
		return nil, fmt.Errorf("%s %w", member, errPassword)
	}
	return signer, err
}

// parseAssertionKey reads the key that signs assertions, in any of the three usual
// forms: AWS only says PEM (KAF-116).
func parseAssertionKey(member string, text []byte) (crypto.Signer, error) {
	block, err := pemBlock(member, text)
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	switch block.Type {
	case blockPKCS8:
		return parseSigner(member, block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%s is no private key that is not encrypted: want -----BEGIN %s-----", member, blockPKCS8)
	}
	if err != nil {
		return nil, unreadable(member)
	}
	return key, nil
}

func pemBlock(member string, text []byte) (*pem.Block, error) {
	if len(text) == 0 {
		return nil, missing(member)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s has no PEM block: want -----BEGIN %s----- on a line of its own", member, blockPKCS8)
	}
	return block, nil
}

func parseSigner(member string, der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, unreadable(member)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New(member + " is no key that signs: want RSA, ECDSA or Ed25519")
	}
	return signer, nil
}

func unreadable(member string) error { return errors.New(member + " cannot be read") }
