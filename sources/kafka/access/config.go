package access

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// Config is one entry of an access configuration, made by a constructor of this
// package or by [FromSecret]. The zero value is refused by [Options].
//
// A constructor does not fail: what is wrong with its arguments is told by
// [Options], together with all else. However a Config is printed or logged, it
// shows its type and nothing more.
type Config struct {
	kind Type
	// problems are what the constructor found wrong.
	problems []error
	// apply puts the entry into a plan. Secrets are in its closure, where nothing
	// that prints by reflection finds them.
	apply func(*plan)
}

var (
	_ fmt.Formatter  = Config{}
	_ fmt.Stringer   = Config{}
	_ slog.LogValuer = Config{}
)

// String is the entry's type, such as BASIC_AUTH.
func (c Config) String() string {
	if c.kind == "" {
		return "none"
	}
	return string(c.kind)
}

// Format prints the entry's type, whatever the verb.
func (c Config) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, c.String()) }

// LogValue is the entry's type.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// newConfig makes an entry of what it does, or of what its constructor found wrong,
// where nil is nothing.
func newConfig(kind Type, apply func(*plan), problems ...error) Config {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	if len(problems) > 0 {
		apply = func(*plan) {}
	}
	return Config{kind: kind, problems: problems, apply: apply}
}

// TLS reaches the brokers over TLS 1.2 or later and verifies their certificates
// by the system's roots, without authentication (KAF-117). It goes with every
// entry that is over TLS, and says nothing new there.
func TLS() Config { return newConfig(typeTLS, func(*plan) {}) }

// Plaintext reaches the brokers over plain text without authentication
// (KAF-117), for brokers on the same machine and in tests. It goes with nothing
// else (KAF-112).
func Plaintext() Config { return newConfig(typePlaintext, func(*plan) {}) }

// SASLPlaintext allows the entry beside it to authenticate by SASL over plain
// text, which AWS does not (KAF-112). Who can read the network then reads the
// records and, with BASIC_AUTH and OAUTHBEARER_AUTH, the credentials too: it is
// for tests and for networks that are encrypted otherwise.
func SASLPlaintext() Config { return newConfig(typeSASLPlaintext, func(*plan) {}) }
