package access

import (
	"errors"
	"fmt"
	"strings"
)

// maxLiteral is how many characters AWS allows in a URI (KAF-111).
const maxLiteral = 200

// Literal is an entry whose value is no secret: of [TypeOAuthBearerScope] or
// [TypeOAuthBearerAudience], what a token is asked for, or of
// [TypeOAuthBearerLogicalCluster] or [TypeOAuthBearerIdentityPool], what is told
// to the brokers as SASL extension logicalCluster or identityPoolId. The value
// is 1 to 200 printable ASCII characters (KAF-111).
//
// All of them need OAUTHBEARER_AUTH (KAF-108). With IAM_OAUTHBEARER_AUTH the
// audience is needed and the others are refused (KAF-110). A token function of
// [OAuthBearerToken] asks for what it likes, so scope and audience are refused
// beside it.
func Literal(kind Type, value string) Config {
	var problem error
	switch {
	case !kind.isLiteral():
		problem = fmt.Errorf("has no literal value: want %s, %s, %s or %s", TypeOAuthBearerScope, TypeOAuthBearerAudience,
			TypeOAuthBearerLogicalCluster, TypeOAuthBearerIdentityPool)
	case value == "" || len(value) > maxLiteral:
		problem = fmt.Errorf("value has %d characters, want 1 to %d", len(value), maxLiteral)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		problem = errors.New("value has characters that are not printable ASCII")
	}
	return newConfig(kind, func(p *plan) { p.literals[kind] = value }, problem)
}
