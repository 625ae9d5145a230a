package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// checkTogether checks what types there are beside each other, of n entries.
func checkTogether(n int, kinds []Type) error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(n <= maxEntries, "%d entries, want 0 to %d", n, maxEntries)
	sorted := slices.Sorted(slices.Values(kinds))
	for _, kind := range slices.Compact(slices.Clone(sorted)) {
		count := len(kinds) - len(slices.DeleteFunc(slices.Clone(kinds), func(k Type) bool { return k == kind }))
		require(count == 1, "%s is there %d times, want once", kind, count)
	}
	kinds = slices.Compact(sorted)
	ways := slices.DeleteFunc(slices.Clone(kinds), func(k Type) bool { return !k.isAuthentication() })
	require(len(ways) <= 1, "%s are %d ways to authenticate, want one at most", join(ways), len(ways))
	return errors.Join(append(errs, checkPlain(kinds), checkLiterals(kinds))...)
}

// checkPlain checks what may be over plain text (KAF-112).
func checkPlain(kinds []Type) error {
	var errs []error
	if slices.Contains(kinds, typePlaintext) && len(kinds) > 1 {
		others := slices.DeleteFunc(slices.Clone(kinds), func(k Type) bool { return k == typePlaintext })
		errs = append(errs, fmt.Errorf("%s goes with nothing else, and there is %s: every way to authenticate is over TLS",
			typePlaintext, join(others)))
	}
	if slices.Contains(kinds, typeSASLPlaintext) {
		if !slices.ContainsFunc(kinds, Type.isSASL) {
			errs = append(errs, fmt.Errorf("%s needs a way to authenticate by SASL", typeSASLPlaintext))
		}
		over := slices.DeleteFunc(slices.Clone(kinds), func(k Type) bool {
			return k != TypeClientCertificateTLS && k != TypeServerRootCA && k != typeTLS
		})
		if len(over) > 0 {
			errs = append(errs, fmt.Errorf("%s excludes TLS, and there is %s", typeSASLPlaintext, join(over)))
		}
	}
	return errors.Join(errs...)
}

// checkLiterals checks what literals need (KAF-108, KAF-110).
func checkLiterals(kinds []Type) error {
	var errs []error
	bearer, iam := slices.Contains(kinds, TypeOAuthBearer), slices.Contains(kinds, TypeIAMOAuthBearer)
	for _, kind := range kinds {
		switch {
		case !kind.isLiteral() || bearer:
		case kind == TypeOAuthBearerAudience:
			if !iam {
				errs = append(errs, fmt.Errorf("%s needs %s or %s", kind, TypeOAuthBearer, TypeIAMOAuthBearer))
			}
		case iam:
			errs = append(errs, fmt.Errorf("%s is refused with %s: it needs %s", kind, TypeIAMOAuthBearer, TypeOAuthBearer))
		default:
			errs = append(errs, fmt.Errorf("%s needs %s", kind, TypeOAuthBearer))
		}
	}
	if iam && !slices.Contains(kinds, TypeOAuthBearerAudience) {
		errs = append(errs, fmt.Errorf("%s needs %s", TypeIAMOAuthBearer, TypeOAuthBearerAudience))
	}
	return errors.Join(errs...)
}

// checkOwn checks that a token function is not given what it would not see.
func (p *plan) checkOwn() error {
	var errs []error
	for _, kind := range []Type{TypeOAuthBearerAudience, TypeOAuthBearerScope} {
		if _, given := p.literals[kind]; given && p.own {
			errs = append(errs, fmt.Errorf("%s is refused with a token function, which asks for what it likes", kind))
		}
	}
	return errors.Join(errs...)
}

func join(kinds []Type) string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}
