package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	saslaws "github.com/twmb/franz-go/pkg/sasl/aws"

	"github.com/openesm/openesm/sources/kafka/access"
)

// The message is, at the same moment, that of franz-go's mechanism, which is signed
// by other code.
func TestIAMSignature_KAF109(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, secret, token string }{
		{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""},
		{"ASIAEXAMPLE", "se cret/+=&", "IQoJb3JpZ2luX2VjE+/=//token with blank"},
	} {
		for _, address := range []string{
			"b-1.demo.abc123.c2.kafka.eu-west-1.amazonaws.com:9098",
			"boot-xyz.c1.kafka-serverless.us-east-2.amazonaws.com:9098",
			"b-2.demo.abc123.c2.kafka.cn-north-1.amazonaws.com.cn:9098",
		} {
			synctest.Test(t, func(t *testing.T) {
				theirs := saslaws.Auth{AccessKey: c.key, SecretKey: c.secret, SessionToken: c.token, UserAgent: "openesm"}
				_, want, err := theirs.AsManagedStreamingIAMMechanism().Authenticate(t.Context(), address)
				if err != nil {
					t.Fatal(err)
				}
				ours := mechanism(t, access.IAM(credentials.NewStaticCredentialsProvider(c.key, c.secret, c.token), ""))
				_, got, err := ours.Authenticate(t.Context(), address)
				if err != nil || string(got) != string(want) || ours.Name() != "AWS_MSK_IAM" {
					t.Errorf("%s: message\n%s\nwant\n%s\nerror %v", address, got, want, err)
				}
			})
		}
	}
}

// parameters are the members of a message.
func parameters(t *testing.T, message string) map[string]string {
	t.Helper()
	var p map[string]string
	if err := json.Unmarshal([]byte(message), &p); err != nil {
		t.Fatalf("%v in %q", err, message)
	}
	return p
}

// Each connection is signed for its host with what the credentials are then.
func TestIAMConnections_KAF109(t *testing.T) {
	t.Parallel()
	calls := 0
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		calls++
		return aws.Credentials{AccessKeyID: fmt.Sprintf("AKID%d", calls), SecretAccessKey: secretText, SessionToken: "token"}, nil
	})
	s := speak(t, nil, &speaker{mechanism: "AWS_MSK_IAM", answer: func([]byte) ([]byte, int16) { return []byte(`{"version":"2020_10_22"}`), 0 }})
	for range 2 {
		if err := reach(t, s.address, access.IAM(provider, "ap-south-1"), access.SASLPlaintext()); err != nil {
			t.Fatal(err)
		}
	}
	heard := s.heard()
	if len(heard) != 2 {
		t.Fatalf("heard %q", heard)
	}
	signatures := make([]string, 2)
	for i, text := range heard {
		p := parameters(t, text)
		signatures[i] = p["x-amz-signature"]
		if !strings.HasPrefix(p["x-amz-credential"], fmt.Sprintf("AKID%d/", i+1)) ||
			!strings.HasSuffix(p["x-amz-credential"], "/ap-south-1/kafka-cluster/aws4_request") ||
			p["host"] != "127.0.0.1" || p["action"] != "kafka-cluster:Connect" || p["x-amz-signedheaders"] != "host" ||
			p["x-amz-expires"] != "300" || p["x-amz-security-token"] != "token" || len(p["x-amz-signature"]) != 64 ||
			p["user-agent"] != "openesm" || p["version"] != "2020_10_22" {
			t.Errorf("message %s", text)
		}
		wantNoSecret(t, text)
	}
	if signatures[0] == signatures[1] {
		t.Error("both connections have the same signature")
	}
}

// A region that is given holds, one in the host's name is found, and none is an error.
func TestIAMRegion_KAF109(t *testing.T) {
	t.Parallel()
	provider := credentials.NewStaticCredentialsProvider("key", "secret", "")
	for _, c := range []struct{ region, address, want string }{
		{"", "b-1.demo.abc.c2.kafka.eu-west-1.amazonaws.com:9098", "eu-west-1"},
		{"", "b-1.demo.abc.c2.kafka.eusc-de-east-1.amazonaws.eu:9098", "eusc-de-east-1"},
		{"us-east-1", "b-1.demo.abc.c2.kafka.eu-west-1.amazonaws.com:9098", "us-east-1"},
		{"us-east-1", "kafka.example.com:9098", "us-east-1"},
	} {
		_, first, err := mechanism(t, access.IAM(provider, c.region)).Authenticate(t.Context(), c.address)
		if err != nil {
			t.Fatal(err)
		}
		scope := strings.Split(parameters(t, string(first))["x-amz-credential"], "/")
		if !slices.Contains(scope, c.want) {
			t.Errorf("%s %s: scope %v, want %s", c.region, c.address, scope, c.want)
		}
	}
	for _, host := range []string{"kafka.example.com", "amazonaws.com", "x.amazonaws.com", "127.0.0.1"} {
		_, _, err := mechanism(t, access.IAM(provider, "")).Authenticate(t.Context(), host+":9098")
		wantLines(t, err, fmt.Sprintf("IAM_AUTH: the broker's name %q has no region in it, and none was given: refused", host))
		if !access.Refused(err) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, _, err := mechanism(t, access.IAM(provider, "")).Authenticate(t.Context(), "no-port"); err == nil {
		t.Error("an address without a port is signed for")
	}
}

func TestIAMWithoutCredentials_KAF109(t *testing.T) {
	t.Parallel()
	cause := errors.New("no EC2 instance role found")
	_, err := message(t, mechanism(t, access.IAM(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, cause
	}), "eu-west-1")))
	wantLines(t, err, "IAM_AUTH: credentials: no EC2 instance role found")
	if !errors.Is(err, cause) || access.Refused(err) {
		t.Errorf("refused %t: %v", access.Refused(err), err)
	}
	_, err = message(t, mechanism(t, access.IAM(aws.AnonymousCredentials{}, "eu-west-1")))
	if err == nil {
		t.Error("signed without credentials")
	}
}

// IAM refused (KAF-18, KAF-109).
func TestIAMRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func([]byte) ([]byte, int16){
		"by answer": accept,
		"by code":   func([]byte) ([]byte, int16) { return nil, 58 },
	} {
		s := speak(t, nil, &speaker{mechanism: "AWS_MSK_IAM", answer: answer})
		provider := credentials.NewStaticCredentialsProvider("key", secretText, secretText)
		err := reach(t, s.address, access.IAM(provider, "eu-west-1"), access.SASLPlaintext())
		if access.Reason(err) != access.ReasonAuthentication {
			t.Errorf("%s: %v", name, err)
		}
		wantNoSecret(t, fmt.Sprint(err))
	}
}
