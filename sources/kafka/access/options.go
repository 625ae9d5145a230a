package access

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// maxEntries is how many entries a mapping may have (KAF-111).
const maxEntries = 22

// plan is what the entries make together.
type plan struct {
	tls       *tls.Config
	mechanism sasl.Mechanism
	literals  map[Type]string
	// bearer makes the mechanism when all literals are known.
	bearer func(literals map[Type]string) sasl.Mechanism
	// own says that the token function asks for scope and audience itself.
	own bool
}

// Options are the options of a franz-go client that reaches and authenticates to
// the brokers as configs say, 0 to 22 of them (KAF-111): kgo.DialTLSConfig, unless
// it is plain text, and kgo.SASL. A client that has them can have no kgo.Dialer
// when there is TLS.
//
// Of each type there is one entry at most, and of the ways to authenticate one
// altogether (KAF-119); see [Literal], [Plaintext] and [SASLPlaintext] for what
// else goes together. No entry at all is plain text.
//
// The error names everything that is wrong, one violation a line: the entry's
// type, the member of its secret, the bound. It has nothing secret in it (P13).
// Options makes no call.
func Options(configs ...Config) ([]kgo.Opt, error) {
	p := &plan{tls: &tls.Config{MinVersion: tls.VersionTLS12}, literals: make(map[Type]string)}
	var (
		errs  []error
		kinds []Type
	)
	for i, c := range configs {
		if c.apply == nil {
			errs = append(errs, fmt.Errorf("entry %d is the zero Config: use a constructor", i))
			continue
		}
		for _, problem := range c.problems {
			errs = append(errs, fmt.Errorf("%s: %w", c.kind, problem))
		}
		kinds = append(kinds, c.kind)
		c.apply(p)
	}
	err := errors.Join(append(errs, checkTogether(len(configs), kinds), p.checkOwn())...)
	if err != nil {
		return nil, fmt.Errorf("kafka access: %w", err)
	}
	return p.options(kinds), nil
}

func (p *plan) options(kinds []Type) []kgo.Opt {
	var options []kgo.Opt
	if len(kinds) > 0 && !slices.Contains(kinds, typePlaintext) && !slices.Contains(kinds, typeSASLPlaintext) {
		options = append(options, kgo.DialTLSConfig(p.tls))
	}
	if p.bearer != nil {
		p.mechanism = p.bearer(p.literals)
	}
	if p.mechanism != nil {
		options = append(options, kgo.SASL(p.mechanism))
	}
	return options
}
