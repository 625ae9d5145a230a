package access

import (
	"bytes"
	"crypto/cipher"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// maxIterations bounds what a key may cost to open: some seconds.
const maxIterations = 10_000_000

var (
	errPassword = errors.New("is not opened by privateKeyPassword")
	errScheme   = errors.New("is encrypted in a way that is not supported: want PBES1 with DES and MD5 or SHA-1, " +
		"PBE-SHA1-3DES, or PBES2 with PBKDF2 and AES or 3DES in CBC mode")
	errFIPS = errors.New("is encrypted with what FIPS 140-3 does not approve, which GODEBUG=fips140=only refuses: " +
		"want PBES2 with PBKDF2, a hash of SHA-2, a salt of 16 bytes and AES in CBC mode")
	errIterations = fmt.Errorf("is encrypted with a number of iterations that is not between 1 and %d", maxIterations)
)

// encryptedKey is EncryptedPrivateKeyInfo (RFC 5208, 6).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// pbeParameter is PBEParameter (RFC 8018, A.3) and pkcs-12PbeParams (RFC 7292, C).
type pbeParameter struct {
	Salt       []byte
	Iterations int
}

// decryptPKCS8 opens an encrypted PKCS#8 key (KAF-114). What it returns need not be
// a key: the padding of a wrong password is right by chance now and then.
func decryptPKCS8(der, password []byte) ([]byte, error) {
	var info encryptedKey
	if !unmarshal(der, &info) {
		return nil, errors.New("cannot be read")
	}
	mode, err := decrypter(info.Algorithm, password)
	if err != nil {
		return nil, err
	}
	return unpad(mode, info.Data)
}

// decrypter is the cipher of a password-based encryption scheme.
func decrypter(scheme pkix.AlgorithmIdentifier, password []byte) (cipher.BlockMode, error) {
	if scheme.Algorithm.String() == oidPBES2 {
		return decrypterPBES2(scheme.Parameters.FullBytes, password)
	}
	var parameter pbeParameter
	if !unmarshal(scheme.Parameters.FullBytes, &parameter) {
		return nil, errScheme
	}
	if parameter.Iterations < 1 || parameter.Iterations > maxIterations {
		return nil, errIterations
	}
	return decrypterPBES1(scheme.Algorithm.String(), parameter, password)
}

// unpad decrypts data and takes off the padding (RFC 8018, 6.1.1).
func unpad(mode cipher.BlockMode, data []byte) ([]byte, error) {
	size := mode.BlockSize()
	if len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("cannot be read")
	}
	plain := make([]byte, len(data))
	mode.CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n < 1 || n > size || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, errPassword
	}
	return plain[:len(plain)-n], nil
}

func unmarshal(der []byte, value any) bool {
	rest, err := asn1.Unmarshal(der, value)
	return err == nil && len(rest) == 0
}
