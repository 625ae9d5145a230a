package access

import (
	"crypto/cipher"
	"crypto/des" //nolint:gosec // AWS demands it (KAF-114)
	"crypto/fips140"
	"crypto/md5"  //nolint:gosec // AWS demands it (KAF-114)
	"crypto/sha1" //nolint:gosec // AWS demands it (KAF-114)
	"encoding/binary"
	"hash"
	"math/big"
	"slices"
	"unicode/utf16"
)

const (
	oidMD5DES   = "1.2.840.113549.1.5.3"
	oidSHA1DES  = "1.2.840.113549.1.5.10"
	oidSHA13DES = "1.2.840.113549.1.12.1.3"
)

// decrypterPBES1 is the cipher of a PBES1 scheme (RFC 8018, 6.1), or of its 3DES
// variant that PKCS#12 adds (RFC 7292, C).
func decrypterPBES1(scheme string, parameter pbeParameter, password []byte) (cipher.BlockMode, error) {
	if fips140.Enforced() { // where these panic
		return nil, errFIPS
	}
	switch scheme {
	case oidMD5DES:
		return decrypterDES(md5.New(), parameter, password) //nolint:gosec // AWS demands it (KAF-114)
	case oidSHA1DES:
		return decrypterDES(sha1.New(), parameter, password) //nolint:gosec // AWS demands it (KAF-114)
	case oidSHA13DES:
		block, err := des.NewTripleDESCipher(derivePKCS12(1, 24, parameter, password)) //nolint:gosec // AWS demands it (KAF-114)
		if err != nil {
			return nil, errScheme
		}
		return cipher.NewCBCDecrypter(block, derivePKCS12(2, block.BlockSize(), parameter, password)), nil
	default:
		return nil, errScheme
	}
}

// decrypterDES derives key and initialisation vector by PBKDF1 (RFC 8018, 5.1).
func decrypterDES(h hash.Hash, parameter pbeParameter, password []byte) (cipher.BlockMode, error) {
	derived := iterate(h, slices.Concat(password, parameter.Salt), parameter.Iterations)
	block, err := des.NewCipher(derived[:8]) //nolint:gosec // AWS demands it (KAF-114)
	if err != nil {
		return nil, errScheme
	}
	return cipher.NewCBCDecrypter(block, derived[8:16]), nil
}

func iterate(h hash.Hash, data []byte, n int) []byte {
	for range n {
		h.Reset()
		h.Write(data)
		data = h.Sum(nil)
	}
	return data
}

// derivePKCS12 derives n bytes for a purpose, 1 for a key and 2 for an
// initialisation vector, with SHA-1 (RFC 7292, B.2).
func derivePKCS12(purpose byte, n int, parameter pbeParameter, password []byte) []byte {
	const width = sha1.BlockSize
	diversifier := make([]byte, width)
	for i := range diversifier {
		diversifier[i] = purpose
	}
	input := slices.Concat(stretch(parameter.Salt, width), stretch(bmp(password), width))
	var derived []byte
	for len(derived) < n {
		block := iterate(sha1.New(), slices.Concat(diversifier, input), parameter.Iterations) //nolint:gosec // as above
		derived = append(derived, block...)
		advance(input, stretch(block, width)[:width])
	}
	return derived[:n]
}

// advance adds addend + 1 to each block of input of addend's length.
func advance(input, addend []byte) {
	one := new(big.Int).SetBytes(addend)
	one.Add(one, big.NewInt(1))
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(len(addend))*8)
	for i := 0; i < len(input); i += len(addend) {
		block := input[i : i+len(addend)]
		sum := new(big.Int).SetBytes(block)
		sum.Add(sum, one).Mod(sum, modulus).FillBytes(block)
	}
}

// stretch repeats data to the next multiple of width.
func stretch(data []byte, width int) []byte {
	if len(data) == 0 {
		return nil
	}
	stretched := make([]byte, (len(data)+width-1)/width*width)
	for i := range stretched {
		stretched[i] = data[i%len(data)]
	}
	return stretched
}

// bmp is a password in UTF-16 with a NUL at its end.
func bmp(password []byte) []byte {
	var text []byte
	for _, unit := range append(utf16.Encode([]rune(string(password))), 0) {
		text = binary.BigEndian.AppendUint16(text, unit)
	}
	return text
}
