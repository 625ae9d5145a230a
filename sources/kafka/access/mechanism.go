package access

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sasl"
)

// guarded is a mechanism whose sessions say that they were refused, and nothing
// of what was exchanged: the text of a failed SCRAM exchange, for one, has a
// signature in it that is made with the password.
type guarded struct{ sasl.Mechanism }

// Authenticate begins a session.
func (g guarded) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := g.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	return guardedSession{Session: session, mechanism: g.Name()}, first, nil
}

type guardedSession struct {
	sasl.Session
	mechanism string
	refused   func() // is told of a refusal, unless nil
}

// Challenge goes on with the broker's answer.
func (s guardedSession) Challenge(answer []byte) (bool, []byte, error) {
	done, next, err := s.Session.Challenge(answer)
	if err == nil {
		return done, next, nil
	}
	if s.refused != nil {
		s.refused()
	}
	return false, nil, fmt.Errorf("kafka access: %s: the exchange with the broker failed: %w", s.mechanism, ErrRefused)
}
