package access

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

// OAuthBearerToken authenticates by SASL/OAUTHBEARER with a token of any source
// (OAUTHBEARER_AUTH, KAF-107), and SASL extensions if there are any: names of
// letters, values of printable ASCII. Those of [Literal] are added and win.
//
// The function is called for each connection, and again on each before its
// session ends, also at the same time; it should keep a token that is good. After 10 s
// its context ends and it is waited for no more. Its
// error is told as it is, so it must have no secret in it; one that wraps
// [ErrRefused] says that trying again will not help, and any other is a fault that
// the client may try again after.
func OAuthBearerToken(token func(ctx context.Context) (token string, extensions map[string]string, err error)) Config {
	return newConfig(TypeOAuthBearer, func(p *plan) {
		p.own = true
		p.bearer = func(literals map[Type]string) sasl.Mechanism {
			return bearer{name: TypeOAuthBearer, extensions: extensionsOf(literals), token: withExtensions(token)}
		}
	}, checkFunction(token == nil))
}

// IAMOAuthBearer authenticates by SASL/OAUTHBEARER with a web identity token of
// AWS (IAM_OAUTHBEARER_AUTH, KAF-110), which the function gets by
// sts:GetWebIdentityToken for the audience of the [Literal] entry
// OAUTHBEARER_AUDIENCE, which is needed. It is called as that of
// [OAuthBearerToken] is.
func IAMOAuthBearer(token func(ctx context.Context, audience string) (token string, err error)) Config {
	return newConfig(TypeIAMOAuthBearer, func(p *plan) {
		p.bearer = func(literals map[Type]string) sasl.Mechanism {
			audience := literals[TypeOAuthBearerAudience]
			return bearer{name: TypeIAMOAuthBearer, token: withoutExtensions(bounded(TypeIAMOAuthBearer, tokenFunction,
				func(ctx context.Context) (string, error) { return token(ctx, audience) }))}
		}
	}, checkFunction(token == nil))
}

func checkFunction(isNil bool) error {
	if isNil {
		return errors.New("token function is nil")
	}
	return nil
}

// tokenFunction is what errors call it.
const tokenFunction = "token function"

// withExtensions is a user's function that ends in time.
func withExtensions(
	token func(context.Context) (string, map[string]string, error),
) func(context.Context) (string, map[string]string, error) {
	type both struct {
		token      string
		extensions map[string]string
	}
	call := bounded(TypeOAuthBearer, tokenFunction, func(ctx context.Context) (both, error) {
		value, extensions, err := token(ctx)
		return both{value, extensions}, err
	})
	return func(ctx context.Context) (string, map[string]string, error) {
		got, err := call(ctx)
		return got.token, got.extensions, err
	}
}

func withoutExtensions(token func(context.Context) (string, error)) func(context.Context) (string, map[string]string, error) {
	return func(ctx context.Context) (string, map[string]string, error) {
		value, err := token(ctx)
		return value, nil, err
	}
}

// extensionsOf are the SASL extensions that literals give, by the names that
// Confluent Cloud has for them (KAF-108).
func extensionsOf(literals map[Type]string) map[string]string {
	extensions := make(map[string]string)
	if value, ok := literals[TypeOAuthBearerLogicalCluster]; ok {
		extensions["logicalCluster"] = value
	}
	if value, ok := literals[TypeOAuthBearerIdentityPool]; ok {
		extensions["identityPoolId"] = value
	}
	return extensions
}

// bearer is the mechanism OAUTHBEARER (RFC 7628).
type bearer struct {
	name       Type
	extensions map[string]string
	token      func(context.Context) (string, map[string]string, error)
	forget     func(token string) // is told of a token that was refused, unless nil
}

// Name is the mechanism's.
func (bearer) Name() string { return "OAUTHBEARER" }

// Authenticate gets a token and begins a session with it.
func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	value, given, err := b.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !isToken(value) {
		return nil, nil, fmt.Errorf("kafka access: %s: the token is empty or has characters that are not printable ASCII", b.name)
	}
	extensions := make(map[string]string, len(given)+len(b.extensions))
	for _, from := range []map[string]string{given, b.extensions} {
		for name, value := range from {
			if !isExtension(name, value) {
				return nil, nil, fmt.Errorf("kafka access: %s: the token comes with an extension that cannot be sent: "+
					"want a name of letters, not auth, and a value of printable ASCII", b.name)
			}
			extensions[name] = value
		}
	}
	session, first, err := oauth.Auth{Token: value, Extensions: extensions}.AsMechanism().Authenticate(ctx, host)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka access: %s: the token cannot be sent", b.name)
	}
	refused := guardedSession{Session: session, mechanism: b.Name()}
	if b.forget != nil {
		refused.refused = func() { b.forget(value) }
	}
	return refused, first, nil
}

// isToken tells what can be sent as a token: printable ASCII without blanks.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// isExtension tells what can be sent as an extension (RFC 7628, 3.1).
func isExtension(name, value string) bool {
	letters := !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	printable := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
	return name != "" && name != "auth" && letters && value != "" && printable
}
