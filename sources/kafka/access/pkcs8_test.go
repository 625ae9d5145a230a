package access_test

import (
	"bytes"
	"crypto/fips140"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"testing"

	"github.com/openesm/openesm/sources/kafka/access"
)

// What OpenSSL encrypted is opened by its password and by no other; that the key is
// the certificate's shows that it is the right one.
func TestEncryptedKeys_KAF114(t *testing.T) {
	t.Parallel()
	certificate := fixture(t, "certificate.pem")
	for name, password := range map[string]string{
		"pbes1-PBE-MD5-DES.pem":     "testpassword",
		"pbes1-PBE-SHA1-DES.pem":    "testpassword",
		"pbes1-PBE-SHA1-3DES.pem":   "testpassword",
		"pbes2-aes-128-cbc.pem":     "testpassword",
		"pbes2-aes-192-cbc.pem":     "testpassword",
		"pbes2-aes-256-cbc.pem":     "testpassword",
		"pbes2-des3.pem":            "testpassword",
		"pbes2-hmacWithSHA1.pem":    "testpassword",
		"pbes2-hmacWithSHA224.pem":  "testpassword",
		"pbes2-hmacWithSHA384.pem":  "testpassword",
		"pbes2-hmacWithSHA512.pem":  "testpassword",
		"unicode-PBE-MD5-DES.pem":   "pässwörd-🔑",
		"unicode-PBE-SHA1-3DES.pem": "pässwörd-🔑",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := fixture(t, name)
			if _, err := access.Options(access.ClientCertificateTLS(certificate, key, password)); err != nil {
				t.Error(err)
			}
			for _, wrong := range []string{"testpassword ", "Testpassword", "x", password[1:]} {
				_, err := access.Options(access.ClientCertificateTLS(certificate, key, wrong))
				wantLines(t, err, "CLIENT_CERTIFICATE_TLS_AUTH: privateKey is not opened by privateKeyPassword")
			}
		})
	}
	for _, name := range []string{"pbes1-PBE-SHA1-RC2-64.pem", "pbes2-des.pem", "pbes2-hmacWithMD5.pem", "pbes2-scrypt.pem"} {
		_, err := access.Options(access.ClientCertificateTLS(certificate, fixture(t, name), "testpassword"))
		wantLines(t, err, "CLIENT_CERTIFICATE_TLS_AUTH: privateKey is encrypted in a way that is not supported: "+
			"want PBES1 with DES and MD5 or SHA-1, PBE-SHA1-3DES, or PBES2 with PBKDF2 and AES or 3DES in CBC mode")
	}
}

// Where only what FIPS 140-3 approves may be used, other keys are refused.
func TestEncryptedKeysWithFIPS(t *testing.T) {
	t.Parallel()
	if os.Getenv(fipsKeys) != "" {
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSKeys$", "-test.v")
	command.Env = append(os.Environ(), "GODEBUG=fips140=only", fipsKeys+"=1")
	if out, err := command.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestFIPSKeys")) {
		t.Errorf("%v: %s", err, out)
	}
}

// fipsKeys tells a process in which TestFIPSKeys is to look at keys.
const fipsKeys = "OPENESM_TEST_FIPS_KEYS"

// TestFIPSKeys is run by TestEncryptedKeysWithFIPS in a process of its own.
func TestFIPSKeys(t *testing.T) {
	t.Parallel()
	if os.Getenv(fipsKeys) == "" {
		if fips140.Enforced() {
			t.Error("enforced")
		}
		return
	}
	certificate := fixture(t, "certificate.pem")
	for _, name := range []string{
		"pbes1-PBE-MD5-DES.pem", "pbes1-PBE-SHA1-DES.pem", "pbes1-PBE-SHA1-3DES.pem", "pbes2-des3.pem", "pbes2-hmacWithSHA1.pem",
	} {
		_, err := access.Options(access.ClientCertificateTLS(certificate, fixture(t, name), "testpassword"))
		wantLines(t, err, "CLIENT_CERTIFICATE_TLS_AUTH: privateKey is encrypted with what FIPS 140-3 does not approve, "+
			"which GODEBUG=fips140=only refuses: want PBES2 with PBKDF2, a hash of SHA-2, a salt of 16 bytes and AES in CBC mode")
	}
}

// Keys that nobody makes are refused before there is work to do.
func TestBentEncryptedKeys_KAF114(t *testing.T) {
	t.Parallel()
	type parameter struct {
		Salt       []byte
		Iterations int
	}
	type scheme struct{ Derivation, Encryption pkix.AlgorithmIdentifier }
	md5DES := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 3}
	pbes2 := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	pbkdf2 := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	aes128 := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	salt, iv, data := make([]byte, 8), make([]byte, 16), make([]byte, 16)
	algorithm := func(oid asn1.ObjectIdentifier, parameters any) pkix.AlgorithmIdentifier {
		der, err := asn1.Marshal(parameters)
		if err != nil {
			t.Fatal(err)
		}
		return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}
	}
	const (
		way        = "privateKey is encrypted in a way that is not supported: want PBES1 with DES and MD5 or SHA-1, PBE-SHA1-3DES, or PBES2 with PBKDF2 and AES or 3DES in CBC mode"
		iterations = "privateKey is encrypted with a number of iterations that is not between 1 and 10000000"
	)
	for name, c := range map[string]struct {
		algorithm pkix.AlgorithmIdentifier
		data      []byte
		want      string
	}{
		"no parameters":        {pkix.AlgorithmIdentifier{Algorithm: md5DES}, data, way},
		"no iterations":        {algorithm(md5DES, parameter{salt, 0}), data, iterations},
		"too many":             {algorithm(md5DES, parameter{salt, 10_000_001}), data, iterations},
		"no data":              {algorithm(md5DES, parameter{salt, 1}), nil, "privateKey cannot be read"},
		"half a block":         {algorithm(md5DES, parameter{salt, 1}), data[:4], "privateKey cannot be read"},
		"PBES2 of nothing":     {algorithm(pbes2, scheme{algorithm(pbkdf2, 1), algorithm(aes128, iv)}), data, way},
		"PBES2, no iterations": {algorithm(pbes2, scheme{algorithm(pbkdf2, parameter{salt, 0}), algorithm(aes128, iv)}), data, iterations},
		"PBES2, too many":      {algorithm(pbes2, scheme{algorithm(pbkdf2, parameter{salt, 10_000_001}), algorithm(aes128, iv)}), data, iterations},
		"PBES2, short vector":  {algorithm(pbes2, scheme{algorithm(pbkdf2, parameter{salt, 1}), algorithm(aes128, iv[:8])}), data, way},
		"PBES2, another length": {algorithm(pbes2, scheme{algorithm(pbkdf2, struct {
			Salt          []byte
			Iterations, N int
		}{salt, 1, 24}), algorithm(aes128, iv)}), data, way},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			der, err := asn1.Marshal(struct {
				Algorithm pkix.AlgorithmIdentifier
				Data      []byte
			}{c.algorithm, c.data})
			if err != nil {
				t.Fatal(err)
			}
			key := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
			_, err = access.Options(access.ClientCertificateTLS(fixture(t, "certificate.pem"), key, "testpassword"))
			wantLines(t, err, "CLIENT_CERTIFICATE_TLS_AUTH: "+c.want)
		})
	}
}

// Whatever the encrypted key is, there is no panic and no endless work.
func FuzzEncryptedKey_KAF114(f *testing.F) {
	certificate := fixture(f, "certificate.pem")
	for _, name := range []string{"pbes1-PBE-MD5-DES.pem", "pbes1-PBE-SHA1-3DES.pem", "pbes2-aes-256-cbc.pem", "pbes2-des3.pem"} {
		block, _ := pem.Decode(fixture(f, name))
		f.Add(block.Bytes, "testpassword")
		f.Add(block.Bytes, "wrong")
		f.Add(block.Bytes[:len(block.Bytes)-1], "testpassword")
	}
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if len(der) > 4096 {
			t.Skip("no key is that large")
		}
		key := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
		_, _ = access.Options(access.ClientCertificateTLS(certificate, key, password))
	})
}
