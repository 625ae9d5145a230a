package access_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/kafka/access"
)

// provider is an identity provider of its own authority.
func provider(t *testing.T, answer http.HandlerFunc) (endpoint string, ca []byte) {
	t.Helper()
	a := newAuthority(t)
	server := httptest.NewUnstartedServer(answer)
	server.TLS = a.server(t)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL + "/oauth2/token", a.pem
}

func grants(w http.ResponseWriter, token string, seconds int) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, seconds)
}

// Client credentials (KAF-108, KAF-116).
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	var requests []string
	endpoint, ca := provider(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_ = r.ParseForm()
		requests = append(requests, fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), user, password, r.PostForm.Encode()))
		grants(w, "e30.e30.c2ln", 3600)
	})
	config := access.OAuthBearer(access.OAuth{TokenEndpoint: endpoint + "?tenant=1", ClientID: "my client:id", ClientSecret: "s%c:ret", ProviderCA: ca})
	first, err := message(t, mechanism(t, config))
	if err != nil || first != "n,,\x01auth=Bearer e30.e30.c2ln\x01\x01" {
		t.Errorf("message %q, error %v", first, err)
	}
	first, err = message(t, mechanism(t, config,
		access.Literal(access.TypeOAuthBearerScope, "kafka:read other"), access.Literal(access.TypeOAuthBearerAudience, "https://kafka.example.com"),
		access.Literal(access.TypeOAuthBearerLogicalCluster, "lkc-1"), access.Literal(access.TypeOAuthBearerIdentityPool, "pool-1")))
	if err != nil || first != "n,,\x01auth=Bearer e30.e30.c2ln\x01identityPoolId=pool-1\x01logicalCluster=lkc-1\x01\x01" {
		t.Errorf("message %q, error %v", first, err)
	}
	prefix := "POST /oauth2/token?tenant=1 application/x-www-form-urlencoded my+client%3Aid s%25c%3Aret "
	want := []string{
		prefix + "grant_type=client_credentials",
		prefix + "audience=https%3A%2F%2Fkafka.example.com&grant_type=client_credentials&scope=kafka%3Aread+other",
	}
	if !slices.Equal(requests, want) {
		t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(requests, "\n"), strings.Join(want, "\n"))
	}
}

// Refusals of the provider are told from its faults, and no error repeats what it says
// (KAF-18, KAF-116, P13).
func TestProviderAnswers(t *testing.T) {
	t.Parallel()
	oauthError := func(code string) string {
		return `{"error":"` + code + `","error_description":"` + secretText + `","access_token":"` + secretText + `"}`
	}
	for _, c := range []struct {
		status  int
		body    string
		refused bool
		want    string
	}{
		{400, oauthError("invalid_client"), true, "the token endpoint answered status 400 (invalid_client): refused"},
		{401, oauthError("invalid_client"), true, "the token endpoint answered status 401 (invalid_client): refused"},
		{400, oauthError("invalid_grant"), true, "the token endpoint answered status 400 (invalid_grant): refused"},
		{403, oauthError("access_denied"), true, "the token endpoint answered status 403 (access_denied): refused"},
		{400, oauthError(secretText), true, "the token endpoint answered status 400: refused"},
		{401, secretText, true, "the token endpoint answered status 401: refused"},
		{401, "", true, "the token endpoint answered status 401: refused"},
		{400, oauthError("temporarily_unavailable"), false, "the token endpoint answered status 400 (temporarily_unavailable)"},
		{403, oauthError("slow_down"), false, "the token endpoint answered status 403 (slow_down)"},
		{404, secretText, false, "the token endpoint answered status 404"},
		{429, oauthError("slow_down"), false, "the token endpoint answered status 429 (slow_down)"},
		{500, oauthError("server_error"), false, "the token endpoint answered status 500 (server_error)"},
		{500, oauthError("invalid_client"), false, "the token endpoint answered status 500 (invalid_client)"},
		{503, secretText, false, "the token endpoint answered status 503"},
		{204, "", false, "the token endpoint answered status 204"},
		{307, "", false, "the token endpoint answered status 307"},
		{200, "", false, "the token endpoint's answer is no JSON object of a token"},
		{200, secretText, false, "the token endpoint's answer is no JSON object of a token"},
		{200, `["` + secretText + `"]`, false, "the token endpoint's answer is no JSON object of a token"},
		{200, `{"access_token":{"` + secretText + `":1}}`, false, "the token endpoint's answer is no JSON object of a token"},
		{200, `{"access_token":"` + secretText, false, "the token endpoint's answer is no JSON object of a token"},
		{200, `{"token":"` + secretText + `"}`, false, "the token endpoint's answer has no access_token that can be sent"},
		{200, `{"access_token":"` + secretText + `\u0001a=b"}`, false, "the token endpoint's answer has no access_token that can be sent"},
		{200, `{"access_token":"` + secretText + `","token_type":"` + secretText + `"}`, false, "the token endpoint's answer has a token_type that is not Bearer"},
		{200, `{"access_token":"` + strings.Repeat("x", 1<<20) + `"}`, false, "the token endpoint's answer is no JSON object of a token"},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.want), func(t *testing.T) {
			t.Parallel()
			requests := 0
			endpoint, ca := provider(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				if c.status == http.StatusTemporaryRedirect {
					w.Header().Set("Location", "https://"+r.Host+"/elsewhere")
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := message(t, mechanism(t, access.OAuthBearer(access.OAuth{
				TokenEndpoint: endpoint + "?key=" + secretText, ClientID: "id", ClientSecret: secretText, ProviderCA: ca,
			})))
			wantLines(t, err, "OAUTHBEARER_AUTH: "+c.want)
			wantNoSecret(t, printed(err))
			if access.Refused(err) != c.refused || kgo.IsRetryableBrokerErr(err) == c.refused || requests != 1 {
				t.Errorf("refused %t, retryable %t, %d requests", access.Refused(err), kgo.IsRetryableBrokerErr(err), requests)
			}
		})
	}
}

// A provider that cannot be reached, or not be trusted, or talks nonsense (KAF-18, KAF-116, P13).
func TestProviderOutOfReach(t *testing.T) {
	t.Parallel()
	ask := func(endpoint string, ca []byte) error {
		_, err := message(t, mechanism(t, access.OAuthBearer(access.OAuth{
			TokenEndpoint: endpoint, ClientID: "id", ClientSecret: secretText, ProviderCA: ca,
		})))
		wantNoSecret(t, printed(err))
		return err
	}
	endpoint, ca := provider(t, func(w http.ResponseWriter, _ *http.Request) { grants(w, "token", 3600) })
	if err := ask(endpoint, nil); !access.Refused(err) || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("not trusted: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := ask("https://"+listener.Addr().String()+"/?key="+secretText, ca); access.Refused(err) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
	cut, ca := provider(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	wantLines(t, ask(cut, ca), "OAUTHBEARER_AUTH: the exchange with the token endpoint broke")
	short, ca := provider(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"access_token":"`+secretText)
	})
	wantLines(t, ask(short, ca), "OAUTHBEARER_AUTH: the exchange with the token endpoint broke")

	// What is no HTTP is repeated by package http.
	garbage, ca := provider(t, func(w http.ResponseWriter, _ *http.Request) {
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(connection, secretText+"\r\n\r\n")
		_ = connection.Close()
	})
	wantLines(t, ask(garbage, ca), "OAUTHBEARER_AUTH: the exchange with the token endpoint broke")
}

// Who gives up waiting is told why, and the provider too.
func TestSlowProvider_KAF116(t *testing.T) {
	t.Parallel()
	asked, gone := make(chan struct{}), make(chan struct{})
	endpoint, ca := provider(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
		close(gone)
	})
	m := mechanism(t, access.OAuthBearer(access.OAuth{TokenEndpoint: endpoint, ClientID: "id", ClientSecret: secretText, ProviderCA: ca}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, _, err := m.Authenticate(ctx, "broker:9092"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-gone
}
