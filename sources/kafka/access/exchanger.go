package access

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// exchangeTimeout bounds one request for a token.
	exchangeTimeout = 10 * time.Second

	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 1 << 20

	// maxLifetime is how long a token is believed to live.
	maxLifetime = 24 * time.Hour
)

// exchanger gets tokens from a provider. What is secret is in closures, where
// nothing that prints by reflection finds it.
type exchanger struct {
	oauth     func() OAuth
	key       func() crypto.Signer
	transport http.RoundTripper

	mu     sync.Mutex
	shared map[wanted]*tokens
}

// wanted is what a token is asked for.
type wanted struct{ scope, audience string }

// tokens are the tokens for what is wanted, the same for everyone who wants it.
func (e *exchanger) tokens(want wanted) *tokens {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shared[want] == nil {
		if e.shared == nil {
			e.shared = make(map[wanted]*tokens)
		}
		e.shared[want] = newTokens(func(ctx context.Context) (token, error) { return e.exchange(ctx, want) })
	}
	return e.shared[want]
}

// exchange makes one request for a token.
func (e *exchanger) exchange(ctx context.Context, want wanted) (token, error) {
	asked := time.Now()
	ctx, cancel := limited(ctx, TypeOAuthBearer, tokenEndpoint)
	defer cancel()
	request, err := e.request(ctx, want, asked)
	if err != nil {
		return token{}, err
	}
	client := http.Client{
		Transport:     e.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return token{}, broken(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return token{}, broken(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		return token{}, declined(response.StatusCode, body)
	}
	return parseToken(body, asked)
}

// request is a token request of either grant.
func (e *exchanger) request(ctx context.Context, want wanted, now time.Time) (*http.Request, error) {
	with := e.oauth()
	form := url.Values{}
	set := func(name, value string) {
		if value != "" {
			form.Set(name, value)
		}
	}
	set("scope", want.scope)
	set("audience", want.audience)
	if with.ClientSecret != "" {
		set("grant_type", "client_credentials")
	} else {
		assertion, err := sign(e.key(), with, want.scope, now)
		if err != nil {
			return nil, refusing("oauthPrivateKey cannot sign")
		}
		set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		set("client_id", with.ClientID)
		set("assertion", assertion)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, with.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, refusing("oauthTokenEndpointUrl is no https URL")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if with.ClientSecret != "" {
		// RFC 6749, 2.3.1: both are encoded as in a form.
		request.SetBasicAuth(url.QueryEscape(with.ClientID), url.QueryEscape(with.ClientSecret))
	}
	return request, nil
}

// tokenEndpoint is what errors call it.
const tokenEndpoint = "token endpoint"

// broken is an exchange that got no answer. Of the errors below it only those are
// repeated whose text is known to have nothing of the answer in it.
func broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if unverified, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return refusing("the token endpoint: %v", unverified)
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return passing("the token endpoint: %v", network)
	}
	return passing("the exchange with the token endpoint broke")
}

// declined is an answer that is no token.
func declined(status int, body []byte) error {
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // whatever it is, it is no token
	text, passes := fmt.Sprintf("the token endpoint answered status %d", status), false

	// What the answer has may be anything, so only what is known is repeated.
	switch answer.Error {
	case "temporarily_unavailable", "server_error", "slow_down":
		text, passes = text+" ("+answer.Error+")", true
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "invalid_target", "access_denied":
		text += " (" + answer.Error + ")"
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		if !passes {
			return refusing("%s", text)
		}
	}
	return passing("%s", text)
}

// parseToken reads a token response (RFC 6749, 5.1).
func parseToken(body []byte, asked time.Time) (token, error) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case err != nil:
		return token{}, passing("the token endpoint's answer is no JSON object of a token")
	case !isToken(answer.AccessToken):
		return token{}, passing("the token endpoint's answer has no access_token that can be sent")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return token{}, passing("the token endpoint's answer has a token_type that is not Bearer")
	}

	// Some providers give the number as a string.
	seconds, err := strconv.ParseFloat(strings.Trim(string(answer.ExpiresIn), `"`), 64)
	if err != nil || !(seconds > 0) {
		seconds = 0
	}
	life := time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second))
	return token{value: answer.AccessToken, due: asked.Add(life / 5 * 4)}, nil
}

func refusing(format string, args ...any) error {
	return fmt.Errorf("kafka access: %s: %s: %w", TypeOAuthBearer, fmt.Sprintf(format, args...), ErrRefused)
}

func passing(format string, args ...any) error {
	return fault{fmt.Errorf("kafka access: %s: %s", TypeOAuthBearer, fmt.Sprintf(format, args...))}
}
