package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// maxSecret is how many bytes a secret of Secrets Manager may have.
const maxSecret = 65_536

// Login is who logs in to a broker. However it is printed, it shows no password (P13).
type Login struct {
	// Username of the broker's user.
	Username string
	// Password of it.
	Password string
}

// String names the user alone.
func (l Login) String() string { return "user " + l.Username }

// GoString names the user alone.
func (l Login) GoString() string { return l.String() }

// LogValue names the user alone.
func (l Login) LogValue() slog.Value { return slog.StringValue(l.String()) }

// Access tells who logs in. It is called before each connection, so that a password may
// change while a mapping runs.
type Access func(ctx context.Context) (Login, error)

// BasicAuth is always the same login.
func BasicAuth(username, password string) Access {
	return func(context.Context) (Login, error) { return Login{username, password}, nil }
}

// BasicAuthSecret reads the login from a secret as Lambda reads that of BASIC_AUTH from
// AWS Secrets Manager: a JSON object with the members username and password (MQ-04). get
// fetches it. No error has anything of the secret in it (P13).
func BasicAuthSecret(get func(ctx context.Context) ([]byte, error)) Access {
	return func(ctx context.Context) (Login, error) {
		secret, err := get(ctx)
		if err != nil {
			return Login{}, fmt.Errorf("fetch secret of BASIC_AUTH: %w", err)
		}
		return parseSecret(secret)
	}
}

// ErrSecret says that a secret is not of the form that BASIC_AUTH has.
var ErrSecret = errors.New("secret of BASIC_AUTH is malformed")

func parseSecret(secret []byte) (Login, error) {
	var members struct {
		Username *string `json:"username"`
		Password *string `json:"password"`
	}
	switch {
	case len(secret) > maxSecret:
		return Login{}, fmt.Errorf("%w: %d bytes, want at most %d", ErrSecret, len(secret), maxSecret)
	case json.Unmarshal(secret, &members) != nil: // whose error may quote it
		return Login{}, fmt.Errorf("%w: want a JSON object whose members username and password are strings", ErrSecret)
	case members.Username == nil || *members.Username == "":
		return Login{}, fmt.Errorf("%w: username is missing or empty", ErrSecret)
	case members.Password == nil || *members.Password == "":
		return Login{}, fmt.Errorf("%w: password is missing or empty", ErrSecret)
	}
	return Login{*members.Username, *members.Password}, nil
}
