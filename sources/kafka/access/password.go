package access

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// BasicAuth authenticates by SASL/PLAIN with a user's name and password, neither
// empty nor with a NUL in it (BASIC_AUTH, KAF-100).
func BasicAuth(username, password string) Config {
	return withPassword(TypeBasicAuth, username, password, func() sasl.Mechanism {
		return plain.Auth{User: username, Pass: password}.AsMechanism()
	})
}

// SASLSCRAM256 authenticates by SASL/SCRAM-SHA-256 with a user's name and
// password, neither empty nor with a NUL in it (SASL_SCRAM_256_AUTH, KAF-101).
func SASLSCRAM256(username, password string) Config {
	return withPassword(TypeSASLSCRAM256, username, password, func() sasl.Mechanism {
		return scram.Auth{User: username, Pass: password}.AsSha256Mechanism()
	})
}

// SASLSCRAM512 authenticates by SASL/SCRAM-SHA-512 with a user's name and
// password, neither empty nor with a NUL in it (SASL_SCRAM_512_AUTH, KAF-102).
func SASLSCRAM512(username, password string) Config {
	return withPassword(TypeSASLSCRAM512, username, password, func() sasl.Mechanism {
		return scram.Auth{User: username, Pass: password}.AsSha512Mechanism()
	})
}

func withPassword(kind Type, username, password string, mechanism func() sasl.Mechanism) Config {
	return newConfig(kind, func(p *plan) { p.mechanism = guarded{mechanism()} },
		checkText("username", username), checkText("password", password))
}

// checkText wants a text that every mechanism can carry.
func checkText(member, value string) error {
	switch {
	case value == "":
		return missing(member)
	case strings.Contains(value, "\x00"):
		return errors.New(member + " must not have a NUL in it")
	default:
		return nil
	}
}

// missing is a member that is needed.
type missing string

// Error names the member.
func (m missing) Error() string { return string(m) + " is missing or empty" }
