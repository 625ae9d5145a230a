package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxSecret is how many bytes a secret of Secrets Manager may have.
const maxSecret = 65_536

// FromSecret makes an entry of a secret as Lambda reads it from AWS Secrets Manager:
// a JSON object of at most 65,536 bytes, whose members are strings.
//
//	BASIC_AUTH, SASL_SCRAM_256_AUTH, SASL_SCRAM_512_AUTH (KAF-113):
//	    username, password
//	CLIENT_CERTIFICATE_TLS_AUTH (KAF-114), see ClientCertificateTLS:
//	    certificate, privateKey, privateKeyPassword (optional)
//	SERVER_ROOT_CA_CERTIFICATE (KAF-115), see ServerRootCA:
//	    certificate
//	OAUTHBEARER_AUTH (KAF-116), see OAuth:
//	    oauthTokenEndpointUrl, oauthClientId, and either oauthClientSecret or
//	    oauthClientEmail and oauthPrivateKey; optional oauthTokenExpirationSeconds,
//	    also as a number, and oauthIdpCaCertificate
//
// Other members are ignored; null is as good as missing. The error names every
// violation, by type and member, and has nothing of the secret in it (P13).
func FromSecret(kind Type, secret []byte) (Config, error) {
	entry := makerOf(kind)
	if entry == nil {
		return Config{}, fmt.Errorf("kafka access: %w", refuseSecret(kind))
	}
	d, err := parseDocument(secret)
	if err != nil {
		return Config{}, fmt.Errorf("kafka access: %s: %w", kind, err)
	}
	c := entry(d)
	var errs []error
	for _, member := range d.wrong {
		errs = append(errs, fmt.Errorf("%s: %s is no string", kind, member))
	}
	for _, problem := range c.problems {
		if member, ok := errors.AsType[missing](problem); !ok || !slices.Contains(d.wrong, string(member)) {
			errs = append(errs, fmt.Errorf("%s: %w", kind, problem))
		}
	}
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("kafka access: %w", errors.Join(errs...))
	}
	return c, nil
}

// makerOf is how a type's secret is read, nil if the type has none.
func makerOf(kind Type) func(*document) Config {
	switch kind {
	case TypeBasicAuth:
		return func(d *document) Config { return BasicAuth(d.text("username"), d.text("password")) }
	case TypeSASLSCRAM256:
		return func(d *document) Config { return SASLSCRAM256(d.text("username"), d.text("password")) }
	case TypeSASLSCRAM512:
		return func(d *document) Config { return SASLSCRAM512(d.text("username"), d.text("password")) }
	case TypeClientCertificateTLS:
		return func(d *document) Config {
			return ClientCertificateTLS([]byte(d.text("certificate")), []byte(d.text("privateKey")), d.text("privateKeyPassword"))
		}
	case TypeServerRootCA:
		return func(d *document) Config { return ServerRootCA([]byte(d.text("certificate"))) }
	case TypeOAuthBearer:
		return func(d *document) Config {
			return OAuthBearer(OAuth{
				TokenEndpoint: d.text("oauthTokenEndpointUrl"), ClientID: d.text("oauthClientId"),
				ClientSecret: d.text("oauthClientSecret"), ClientEmail: d.text("oauthClientEmail"),
				PrivateKey: []byte(d.text("oauthPrivateKey")), AssertionLifetime: d.seconds("oauthTokenExpirationSeconds"),
				ProviderCA: []byte(d.text("oauthIdpCaCertificate")),
			})
		}
	default:
		return nil
	}
}

// refuseSecret says why a type has no secret. What is given as a type may be
// anything, so only what AWS knows is repeated.
func refuseSecret(kind Type) error {
	switch {
	case kind.isLiteral():
		return fmt.Errorf("%s has no secret: use Literal", kind)
	case kind == TypeIAM:
		return fmt.Errorf("%s has no secret: use IAM", kind)
	case kind == TypeIAMOAuthBearer:
		return fmt.Errorf("%s has no secret: use IAMOAuthBearer", kind)
	case kind == TypeVPCSubnet || kind == TypeVPCSecurityGroup:
		return fmt.Errorf("%s has no secret: it says where the pollers of AWS run, and is to be left out", kind)
	default:
		return errors.New("type is none of AWS's for Kafka")
	}
}

// document is a secret that is read member by member.
type document struct {
	members map[string]json.RawMessage
	wrong   []string // the members that should be strings
}

func parseDocument(secret []byte) (*document, error) {
	if len(secret) > maxSecret {
		return nil, fmt.Errorf("secret has %d bytes, want at most %d", len(secret), maxSecret)
	}

	// Package json would put something else for what is not UTF-8.
	if !utf8.Valid(secret) {
		return nil, errors.New("secret is not UTF-8")
	}
	d := &document{}
	err := json.Unmarshal(secret, &d.members)
	if err != nil || d.members == nil {
		return nil, errors.New("secret is no JSON object")
	}
	return d, nil
}

// text is a member that is a string, "" if it is missing or null.
func (d *document) text(member string) string {
	var text *string
	raw, ok := d.members[member]
	if ok && json.Unmarshal(raw, &text) != nil {
		d.wrong = append(d.wrong, member)
	}
	if text == nil {
		return ""
	}
	return *text
}

// seconds is a member that is a whole number, or a string of one: the console of
// Secrets Manager makes strings of all. What is out of range becomes what is refused.
func (d *document) seconds(member string) time.Duration {
	raw := string(d.members[member])
	if raw == "" || raw == "null" {
		return 0
	}
	if unquoted, err := strconv.Unquote(raw); err == nil {
		raw = unquoted
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < 1 || n > int64(maxAssertionLifetime/time.Second) {
		return -1
	}
	return time.Duration(n) * time.Second
}
