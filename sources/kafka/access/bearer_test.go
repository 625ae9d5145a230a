package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/openesm/openesm/sources/kafka/access"
)

// mechanism is what a client gets.
func mechanism(t *testing.T, configs ...access.Config) sasl.Mechanism {
	t.Helper()
	k, err := kgo.NewClient(options(t, configs...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	return k.OptValue(kgo.SASL).([]sasl.Mechanism)[0]
}

// message is the first of a session.
func message(t *testing.T, m sasl.Mechanism) (string, error) {
	t.Helper()
	_, first, err := m.Authenticate(t.Context(), "broker.example.com:9092")
	return string(first), err
}

func accept([]byte) ([]byte, int16) { return nil, 0 }

// O auth bearer on the wire (KAF-107, KAF-112).
func TestOAuthBearerOnTheWire(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := speak(t, ca.server(t), &speaker{mechanism: "OAUTHBEARER", answer: accept})
	err := reach(t, s.address, access.ServerRootCA(ca.pem),
		access.OAuthBearerToken(func(context.Context) (string, map[string]string, error) {
			return "e30.e30.c2ln", map[string]string{"traceId": "a b", "identityPoolId": "pool-of-function"}, nil
		}),
		access.Literal(access.TypeOAuthBearerLogicalCluster, "lkc-abc123"),
		access.Literal(access.TypeOAuthBearerIdentityPool, "pool-xyz789"))
	if err != nil {
		t.Fatal(err)
	}
	want := "n,,\x01auth=Bearer e30.e30.c2ln\x01identityPoolId=pool-xyz789\x01logicalCluster=lkc-abc123\x01traceId=a b\x01\x01"
	if got := s.heard(); !slices.Equal(got, []string{want}) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// The function of a web identity token is told the audience, and called for each
// connection.
func TestIAMOAuthBearerOnTheWire_KAF110(t *testing.T) {
	t.Parallel()
	s := speak(t, nil, &speaker{mechanism: "OAUTHBEARER", answer: accept})
	calls := 0
	configs := []access.Config{
		access.SASLPlaintext(), access.Literal(access.TypeOAuthBearerAudience, "https://kafka.example.com"),
		access.IAMOAuthBearer(func(_ context.Context, audience string) (string, error) {
			calls++
			return fmt.Sprintf("%s#%d", audience, calls), nil
		}),
	}
	for range 2 {
		if err := reach(t, s.address, configs...); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"n,,\x01auth=Bearer https://kafka.example.com#1\x01\x01", "n,,\x01auth=Bearer https://kafka.example.com#2\x01\x01",
	}
	if got := s.heard(); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// A broker refuses a token by an answer with something in it (RFC 7628, 3.2.2), or by
// the error code.
func TestRefusedToken_KAF18(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func([]byte) ([]byte, int16){
		"by answer": func(message []byte) ([]byte, int16) {
			return append([]byte(`{"status":"invalid_token"}`), message...), 0
		},
		"by code": func([]byte) ([]byte, int16) { return nil, 58 },
	} {
		s := speak(t, nil, &speaker{mechanism: "OAUTHBEARER", answer: answer})
		err := reach(t, s.address, access.SASLPlaintext(), access.OAuthBearerToken(func(context.Context) (string, map[string]string, error) {
			return secretText, nil, nil
		}))
		if access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("%s: %v", name, err)
		}
		wantNoSecret(t, fmt.Sprint(err))
	}
	s := speak(t, nil, &speaker{mechanism: "PLAIN", answer: accept})
	if err := reach(t, s.address, access.SASLPlaintext(), access.OAuthBearerToken(ownToken)); access.Reason(err) != access.ReasonAuthentication {
		t.Errorf("no such mechanism: %v", err)
	}
}

// What a function returns reaches the adapter through the client.
func TestFaultOfTokenFunction(t *testing.T) {
	t.Parallel()
	s := speak(t, nil, &speaker{mechanism: "OAUTHBEARER", answer: accept})
	cause := errors.New("no route to the provider")
	for _, c := range []struct {
		err       error
		refused   bool
		retryable bool
	}{
		{cause, false, true},
		{fmt.Errorf("%w: %w", access.ErrRefused, cause), true, false},
	} {
		err := reach(t, s.address, access.SASLPlaintext(), access.OAuthBearerToken(func(context.Context) (string, map[string]string, error) {
			return "", nil, c.err
		}))
		if !errors.Is(err, cause) || access.Refused(err) != c.refused || kgo.IsRetryableBrokerErr(err) != c.retryable ||
			!strings.HasPrefix(err.Error(), "kafka access: OAUTHBEARER_AUTH: token function: ") {
			t.Errorf("%v: refused %t, retryable %t", err, access.Refused(err), kgo.IsRetryableBrokerErr(err))
		}
		_, err = message(t, mechanism(t, access.Literal(access.TypeOAuthBearerAudience, "x"),
			access.IAMOAuthBearer(func(context.Context, string) (string, error) { return "", c.err })))
		if !errors.Is(err, cause) || access.Refused(err) != c.refused ||
			!strings.HasPrefix(err.Error(), "kafka access: IAM_OAUTHBEARER_AUTH: token function: ") {
			t.Error(err)
		}
	}
	if got := s.heard(); got != nil {
		t.Errorf("heard %q", got)
	}
}

// A token or an extension cannot say more than it is.
func TestInjection_KAF107(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		token      string
		extensions map[string]string
		want       string
	}{
		{"", nil, "the token is empty or has characters that are not printable ASCII"},
		{"s3cr3t-p4ssw0rd\x01x=y", nil, "the token is empty or has characters that are not printable ASCII"},
		{"s3cr3t-p4ssw0rd\n", nil, "the token is empty or has characters that are not printable ASCII"},
		{"s3cr3t p4ssw0rd", nil, "the token is empty or has characters that are not printable ASCII"},
		{"t", map[string]string{"": "x"}, "the token comes with an extension that cannot be sent: want a name of letters, not auth, and a value of printable ASCII"},
		{"t", map[string]string{"auth": "x"}, "the token comes with an extension that cannot be sent: want a name of letters, not auth, and a value of printable ASCII"},
		{"t", map[string]string{"a=b": "x"}, "the token comes with an extension that cannot be sent: want a name of letters, not auth, and a value of printable ASCII"},
		{"t", map[string]string{"a": ""}, "the token comes with an extension that cannot be sent: want a name of letters, not auth, and a value of printable ASCII"},
		{"t", map[string]string{"a": "s3cr3t-p4ssw0rd\x01auth=Bearer y"}, "the token comes with an extension that cannot be sent: want a name of letters, not auth, and a value of printable ASCII"},
	} {
		_, err := message(t, mechanism(t, access.OAuthBearerToken(func(context.Context) (string, map[string]string, error) {
			return c.token, c.extensions, nil
		})))
		wantLines(t, err, "OAUTHBEARER_AUTH: "+c.want)
	}
}
