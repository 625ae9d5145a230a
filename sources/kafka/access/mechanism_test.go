package access_test

import (
	"bytes"
	"testing"

	"github.com/openesm/openesm/sources/kafka/access"
)

// A broker that does not know the password cannot end a SCRAM exchange, and what it
// hears then has nothing in it that the password could be guessed by (KAF-101, KAF-102, P13).
func TestBrokerWithoutPassword(t *testing.T) {
	t.Parallel()
	for mechanism, config := range map[string]access.Config{
		"SCRAM-SHA-256": access.SASLSCRAM256("user", secretText), "SCRAM-SHA-512": access.SASLSCRAM512("user", secretText),
	} {
		for name, last := range map[string]string{"signature": "v=c2lnbmF0dXJl", "error": "e=invalid-proof", "nothing": ""} {
			s := speak(t, nil, &speaker{mechanism: mechanism, answer: func(message []byte) ([]byte, int16) {
				if bytes.HasPrefix(message, []byte("n,,")) {
					_, nonce, _ := bytes.Cut(message, []byte(",r="))
					return append(append([]byte("r="), nonce...), "more,s=c2FsdA==,i=4096"...), 0
				}
				return []byte(last), 0
			}})
			err := reach(t, s.address, config, access.SASLPlaintext())
			wantLines(t, err, mechanism+": the exchange with the broker failed: refused")
			if access.Reason(err) != access.ReasonAuthentication || len(s.heard()) != 2 {
				t.Errorf("%s, %s: reason %q, heard %d messages", mechanism, name, access.Reason(err), len(s.heard()))
			}
		}
	}
}
