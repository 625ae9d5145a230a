package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/openesm/openesm/sources/kafka/access"
)

// entries are one of each kind, with this secret wherever one can be.
func entries(t *testing.T, secret string) map[string]access.Config {
	t.Helper()
	return map[string]access.Config{
		"BASIC_AUTH":                  access.BasicAuth("user"+secret, secret),
		"SASL_SCRAM_256_AUTH":         access.SASLSCRAM256("user"+secret, secret),
		"SASL_SCRAM_512_AUTH":         access.SASLSCRAM512("user"+secret, secret),
		"CLIENT_CERTIFICATE_TLS_AUTH": access.ClientCertificateTLS(fixture(t, "certificate.pem"), fixture(t, "pkcs8.pem"), secret),
		"SERVER_ROOT_CA_CERTIFICATE":  access.ServerRootCA(fixture(t, "certificate.pem")),
		"OAUTHBEARER_AUTH": access.OAuthBearer(access.OAuth{
			TokenEndpoint: "https://idp.example.com/token?key=" + secret, ClientID: "id" + secret, ClientSecret: secret,
		}),
		"OAUTHBEARER_SCOPE":           access.Literal("OAUTHBEARER_SCOPE", "scope"+secret),
		"OAUTHBEARER_AUDIENCE":        access.Literal("OAUTHBEARER_AUDIENCE", "audience"+secret),
		"OAUTHBEARER_LOGICAL_CLUSTER": access.Literal("OAUTHBEARER_LOGICAL_CLUSTER", "lkc"+secret),
		"OAUTHBEARER_IDENTITY_POOL":   access.Literal("OAUTHBEARER_IDENTITY_POOL", "pool"+secret),
		"IAM_AUTH":                    access.IAM(credentials.NewStaticCredentialsProvider("key"+secret, secret, secret), "eu-west-1"),
		"IAM_OAUTHBEARER_AUTH":        access.IAMOAuthBearer(func(context.Context, string) (string, error) { return secret, nil }),
		"SSL":                         access.TLS(),
		"PLAINTEXT":                   access.Plaintext(),
		"SASL_PLAINTEXT":              access.SASLPlaintext(),
		"none":                        {},
	}
}

const secretText = "s3cr3t-p4ssw0rd"

// printed is a value in every way that it is likely to be printed.
func printed(value any) string {
	var all bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%f", "%10v"} {
		fmt.Fprintf(&all, verb+"\n", value)
	}
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&all, nil)), slog.New(slog.NewJSONHandler(&all, nil))} {
		logger.Info("reach", "access", value)
		logger.Info("reach", slog.Group("access", "entry", value))
	}
	text, err := json.Marshal(value)
	fmt.Fprintln(&all, string(text), err)
	return all.String()
}

// A secret is in no print, as text, in hexadecimal or as numbers.
func wantNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{
		secretText, fmt.Sprintf("%x", secretText), fmt.Sprintf("%X", secretText), strings.Trim(fmt.Sprintf("%d", []byte(secretText)), "[]"),
		"BEGIN", "idp.example.com",
	} {
		if strings.Contains(text, form) {
			t.Errorf("%q is in\n%s", form, text)
		}
	}
}

func TestPrintsShowNoSecret_P13(t *testing.T) {
	t.Parallel()
	for kind, config := range entries(t, secretText) {
		if config.String() != kind || fmt.Sprint(config) != kind || fmt.Sprintf("%#v", config) != kind {
			t.Errorf("%s prints as %v", kind, config)
		}
		for _, value := range []any{
			config, &config, []access.Config{config}, map[string]access.Config{"entry": config},
			struct{ Entry access.Config }{config}, struct{ entry access.Config }{config},
			&struct{ Entry *access.Config }{&config}, struct{ entries []access.Config }{[]access.Config{config}},
		} {
			wantNoSecret(t, printed(value))
		}
	}
}

func TestPrintsOfOAuthShowNoSecret_P13(t *testing.T) {
	t.Parallel()
	o := access.OAuth{
		TokenEndpoint: "https://idp.example.com/token?key=" + secretText, ClientID: secretText, ClientSecret: secretText,
		ClientEmail: secretText, PrivateKey: []byte(secretText), ProviderCA: []byte(secretText),
	}
	for _, value := range []any{o, &o, []access.OAuth{o}, struct{ OAuth access.OAuth }{o}, &struct{ OAuth *access.OAuth }{&o}} {
		wantNoSecret(t, printed(value))
	}
}

// What a client is given shows no more, nor do the errors of entries that are
// refused for some other reason.
func TestOptionsShowNoSecret_P13(t *testing.T) {
	t.Parallel()
	all := entries(t, secretText)
	var configs []access.Config
	for kind, config := range all {
		if o, err := access.Options(config); err == nil {
			wantNoSecret(t, printed(o))
		} else {
			wantNoSecret(t, kind+err.Error())
		}
		configs = append(configs, config)
	}
	_, err := access.Options(configs...)
	if err == nil {
		t.Fatal("all entries go together")
	}
	wantNoSecret(t, printed(err)+err.Error())
}

func TestConfigOfNothing(t *testing.T) {
	t.Parallel()
	_, err := access.Options(access.TLS(), access.Config{})
	wantLines(t, err, "entry 1 is the zero Config: use a constructor")
}
