package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/twmb/franz-go/pkg/sasl"
)

const (
	iamService = "kafka-cluster"
	// emptyHash is the SHA-256 of an empty body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// iamExpires is for how many seconds a signature is good.
	iamExpires = "300"
)

// IAM authenticates by MSK's IAM access control, the mechanism AWS_MSK_IAM
// (IAM_AUTH, KAF-109): each connection is signed with what credentials retrieves
// then, so they should come from an aws.Config, which keeps them until they expire.
// They are waited for no longer than 10 s.
//
// The region is what the cluster is in. It may be empty if the brokers' host names
// have it, as MSK's own do, and is needed for custom names.
func IAM(credentials aws.CredentialsProvider, region string) Config {
	var problem error
	if credentials == nil {
		problem = errors.New("credentials provider is nil")
	}
	return newConfig(TypeIAM, func(p *plan) {
		p.mechanism = guarded{iam{
			credentials: bounded(TypeIAM, "credentials", func(ctx context.Context) (aws.Credentials, error) {
				return credentials.Retrieve(ctx)
			}),
			region: region, signer: v4.NewSigner(),
		}}
	}, problem)
}

// iam is the mechanism AWS_MSK_IAM. The one of franz-go takes a region only from
// the host name or the environment.
type iam struct {
	credentials func(context.Context) (aws.Credentials, error)
	region      string
	signer      *v4.Signer
}

// Name is the mechanism's.
func (iam) Name() string { return "AWS_MSK_IAM" }

// Authenticate signs for the broker's host.
func (m iam) Authenticate(ctx context.Context, address string) (sasl.Session, []byte, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka access: %s: the broker's address is no host:port: %w", TypeIAM, err)
	}
	region := m.region
	if region == "" {
		region = regionOf(host)
	}
	if region == "" {
		return nil, nil, fmt.Errorf("kafka access: %s: the broker's name %q has no region in it, and none was given: %w",
			TypeIAM, host, ErrRefused)
	}
	credentials, err := m.credentials(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !credentials.HasKeys() {
		return nil, nil, fmt.Errorf("kafka access: %s: credentials are empty", TypeIAM)
	}
	first, err := m.sign(ctx, credentials, host, region)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka access: %s: cannot sign", TypeIAM)
	}
	return iamSession{}, first, nil
}

// sign makes the message: the parameters of a presigned URL, in lower case.
func (m iam) sign(ctx context.Context, credentials aws.Credentials, host, region string) ([]byte, error) {
	query := url.Values{"Action": {iamService + ":Connect"}, "X-Amz-Expires": {iamExpires}}
	target := url.URL{Scheme: "kafka", Host: host, Path: "/", RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	presigned, _, err := m.signer.PresignHTTP(ctx, credentials, request, emptyHash, iamService, region, time.Now())
	if err != nil {
		return nil, err
	}
	signed, err := url.Parse(presigned)
	if err != nil {
		return nil, err
	}
	message := map[string]string{"version": "2020_10_22", "host": host, "user-agent": "openesm"}
	for name, values := range signed.Query() {
		message[strings.ToLower(name)] = values[0]
	}
	return json.Marshal(message)
}

// regionOf is the region in the name of an MSK broker, "" if there is none.
func regionOf(host string) string {
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".c2s.ic.gov", ".sc2s.sgov.gov"} {
		if rest, ok := strings.CutSuffix(host, suffix); ok {
			if dot := strings.LastIndexByte(rest, '.'); dot >= 0 {
				return rest[dot+1:]
			}
		}
	}
	return ""
}

type iamSession struct{}

// Challenge ends the session: the broker's answer to a good signature has
// something in it.
func (iamSession) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) == 0 {
		return false, nil, errors.New("empty answer")
	}
	return true, nil, nil
}
