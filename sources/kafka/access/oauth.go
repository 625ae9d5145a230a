package access

import (
	"crypto"
	"crypto/tls"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
)

const (
	// DefaultAssertionLifetime is OAuth.AssertionLifetime.
	DefaultAssertionLifetime = 5 * time.Minute

	maxAssertionLifetime = 24 * time.Hour
)

// OAuth is how a token is got from an OAuth 2.0 provider, in either of two ways
// (KAF-116): with ClientSecret, by client credentials (RFC 6749, 4.4), sent as
// HTTP Basic authentication; or with ClientEmail and PrivateKey, by an assertion
// that the key signs (RFC 7523, 2.1).
//
// Printed, logged or marshalled it shows nothing, unless it is in a field that is
// not exported, where package fmt asks nobody: keep the Config, which never does.
type OAuth struct {
	// TokenEndpoint is the provider's URL, https only and without a user
	// (oauthTokenEndpointUrl).
	TokenEndpoint string

	// ClientID is what the provider calls this client (oauthClientId). It may be
	// empty with an assertion, where AWS wants it too.
	ClientID string

	// ClientSecret is for client credentials (oauthClientSecret).
	ClientSecret string

	// ClientEmail is issuer and subject of the assertion, the service account's
	// name (oauthClientEmail).
	ClientEmail string

	// PrivateKey signs the assertion: PEM, not encrypted; RSA (RS256), ECDSA on
	// P-256, P-384 or P-521 (ES256, ES384, ES512), or Ed25519 (EdDSA)
	// (oauthPrivateKey).
	PrivateKey []byte

	// AssertionLifetime is how long an assertion is valid, in whole seconds, 1 s to
	// 24 h (oauthTokenExpirationSeconds). 0 means DefaultAssertionLifetime; AWS's
	// default is not documented. Client credentials make no use of it.
	AssertionLifetime time.Duration

	// ProviderCA verifies the provider's certificate instead of the system's
	// roots: PEM (oauthIdpCaCertificate). Default: none.
	ProviderCA []byte
}

var (
	_ fmt.Formatter          = OAuth{}
	_ fmt.Stringer           = OAuth{}
	_ slog.LogValuer         = OAuth{}
	_ encoding.TextMarshaler = OAuth{}
)

// String is OAUTHBEARER_AUTH.
func (OAuth) String() string { return string(TypeOAuthBearer) }

// Format prints OAUTHBEARER_AUTH, whatever the verb.
func (o OAuth) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, o.String()) }

// LogValue is OAUTHBEARER_AUTH.
func (o OAuth) LogValue() slog.Value { return slog.StringValue(o.String()) }

// MarshalText is OAUTHBEARER_AUTH.
func (o OAuth) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// OAuthBearer authenticates by SASL/OAUTHBEARER with a token of an OAuth 2.0
// provider (OAUTHBEARER_AUTH, KAF-107). [Literal] entries add what the token is
// asked for and sent with.
//
// The token is shared by all connections and kept until four fifths of its life
// are over, so that there is a new one before the brokers want it; one without
// expires_in is used for one connection. A token that a broker refuses is
// dropped. One request is under way at a time, for 10 s at most; redirects are
// not followed, as they would take the secret elsewhere. HTTPS_PROXY and its like
// hold.
//
// The answers 400, 401 and 403 of the provider are refusals, see [Refused], unless
// the error code is temporarily_unavailable, server_error or slow_down. An error
// never has the token, the secret or the provider's words in it.
func OAuthBearer(o OAuth) Config {
	o.PrivateKey = append([]byte(nil), o.PrivateKey...)
	config, key, problems := o.check()
	exchange := &exchanger{
		oauth: func() OAuth { return o },
		key:   func() crypto.Signer { return key },
		transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DisableKeepAlives: true,
		},
	}
	return newConfig(TypeOAuthBearer, exchange.apply, problems...)
}

// check returns what of o is parsed, and what is wrong with it.
func (o OAuth) check() (config *tls.Config, key crypto.Signer, problems []error) {
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	refuse := func(err error) { problems = append(problems, err) }
	refuse(checkEndpoint("oauthTokenEndpointUrl", o.TokenEndpoint))
	secret, assertion := o.ClientSecret != "", o.ClientEmail != "" || len(o.PrivateKey) > 0
	switch {
	case secret && assertion:
		refuse(errors.New("oauthClientSecret and oauthClientEmail or oauthPrivateKey are of two grants, want one"))
	case assertion:
		if o.ClientEmail == "" {
			refuse(missing("oauthClientEmail"))
		}
		signer, err := parseAssertionKey("oauthPrivateKey", o.PrivateKey)
		if err == nil {
			err = checkAlgorithm("oauthPrivateKey", signer)
		}
		refuse(err)
		key = signer
	default:
		if o.ClientID == "" {
			refuse(missing("oauthClientId"))
		}
		if !secret {
			refuse(errors.New("oauthClientSecret, or oauthClientEmail and oauthPrivateKey, is missing or empty"))
		}
	}
	if o.AssertionLifetime < 0 || o.AssertionLifetime > maxAssertionLifetime || o.AssertionLifetime%time.Second != 0 {
		refuse(fmt.Errorf("oauthTokenExpirationSeconds is not a whole number of seconds between 1 and %d",
			maxAssertionLifetime/time.Second))
	}
	if len(o.ProviderCA) > 0 {
		roots, err := parseRoots("oauthIdpCaCertificate", o.ProviderCA)
		refuse(err)
		config.RootCAs = roots
	}
	return config, key, problems
}

// checkEndpoint does not say what the URL is: it may have a secret in it.
func checkEndpoint(member, text string) error {
	if text == "" {
		return missing(member)
	}
	endpoint, err := url.Parse(text)
	switch {
	case err != nil || endpoint.Scheme != "https" || endpoint.Hostname() == "":
		return errors.New(member + " is no https URL")
	case endpoint.User != nil:
		return errors.New(member + " must not have a user in it")
	case endpoint.Fragment != "":
		return errors.New(member + " must not have a fragment")
	default:
		return nil
	}
}

// apply puts the provider's tokens into a plan. The tokens are those of this
// Config, whatever plan it is in, unless the plans ask for different ones.
func (e *exchanger) apply(p *plan) {
	p.bearer = func(literals map[Type]string) sasl.Mechanism {
		want := wanted{scope: literals[TypeOAuthBearerScope], audience: literals[TypeOAuthBearerAudience]}
		tokens := e.tokens(want)
		return bearer{
			name:       TypeOAuthBearer,
			extensions: extensionsOf(literals),
			token:      withoutExtensions(tokens.get),
			forget:     tokens.forget,
		}
	}
}
