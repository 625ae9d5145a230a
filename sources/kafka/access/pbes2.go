package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // older OpenSSL encrypts keys with it
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the default of PBKDF2's parameters
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"hash"
)

const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
)

// pbes2Parameter is PBES2-params (RFC 8018, A.4).
type pbes2Parameter struct {
	Derivation, Encryption pkix.AlgorithmIdentifier
}

// pbkdf2Parameter is PBKDF2-params (RFC 8018, A.2), whose salt has no other source.
type pbkdf2Parameter struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// decrypterPBES2 is the cipher of a PBES2 scheme (RFC 8018, 6.2).
func decrypterPBES2(der, password []byte) (cipher.BlockMode, error) {
	var (
		scheme     pbes2Parameter
		derivation pbkdf2Parameter
		iv         []byte
	)
	if !unmarshal(der, &scheme) || scheme.Derivation.Algorithm.String() != oidPBKDF2 ||
		!unmarshal(scheme.Derivation.Parameters.FullBytes, &derivation) ||
		!unmarshal(scheme.Encryption.Parameters.FullBytes, &iv) {
		return nil, errScheme
	}
	if derivation.Iterations < 1 || derivation.Iterations > maxIterations {
		return nil, errIterations
	}
	newCipher, size := encryptionOf(scheme.Encryption.Algorithm.String())
	newHash := prfOf(derivation.PRF.Algorithm.String())
	if newCipher == nil || newHash == nil || derivation.KeyLength != 0 && derivation.KeyLength != size {
		return nil, errScheme
	}
	if fips140.Enforced() && !isApproved(newHash()) {
		return nil, errFIPS
	}
	key, err := pbkdf2.Key(newHash, string(password), derivation.Salt, derivation.Iterations, size)
	if err != nil {
		return nil, unsupported()
	}
	block, err := newCipher(key)
	if err != nil {
		return nil, unsupported()
	}
	if len(iv) != block.BlockSize() {
		return nil, errScheme
	}
	return cipher.NewCBCDecrypter(block, iv), nil
}

// encryptionOf is a cipher and the length of its key.
func encryptionOf(oid string) (func(key []byte) (cipher.Block, error), int) {
	switch oid {
	case "2.16.840.1.101.3.4.1.2":
		return aes.NewCipher, 16
	case "2.16.840.1.101.3.4.1.22":
		return aes.NewCipher, 24
	case "2.16.840.1.101.3.4.1.42":
		return aes.NewCipher, 32
	case "1.2.840.113549.3.7":
		return des.NewTripleDESCipher, 24
	default:
		return nil, 0
	}
}

// unsupported says that a scheme cannot be used, here or anywhere.
func unsupported() error {
	if fips140.Enforced() { // which also wants a salt of sixteen bytes
		return errFIPS
	}
	return errScheme
}

// isApproved tells a hash that FIPS 140-3 approves: any of prfOf but SHA-1.
func isApproved(h hash.Hash) bool { return h.Size() != sha1.Size }

// prfOf is the hash of PBKDF2's HMAC.
func prfOf(oid string) func() hash.Hash {
	switch oid {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.8":
		return sha256.New224
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.10":
		return sha512.New384
	case "1.2.840.113549.2.11":
		return sha512.New
	default:
		return nil
	}
}
