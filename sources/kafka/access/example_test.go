package access_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/kafka/access"
)

// The entries of a mapping with a secret of AWS Secrets Manager, and of what its
// access cannot be.
func Example() {
	secret := []byte(`{"username": "consumer", "password": "hunter2"}`)
	user, err := access.FromSecret(access.TypeSASLSCRAM512, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	options, err := access.Options(user)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers("broker.example.com:9096"))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Printf("%+v\n", user)
	_, err = access.Options(user, access.BasicAuth("consumer", ""), access.Literal(access.TypeOAuthBearerScope, "kafka"))
	fmt.Println(err)

	// Output:
	// SASL_SCRAM_512_AUTH
	// kafka access: BASIC_AUTH: password is missing or empty
	// BASIC_AUTH, SASL_SCRAM_512_AUTH are 2 ways to authenticate, want one at most
	// OAUTHBEARER_SCOPE needs OAUTHBEARER_AUTH
}

// A token of AWS, which the function gets for the audience by sts:GetWebIdentityToken.
func ExampleIAMOAuthBearer() {
	token := func(_ context.Context, audience string) (string, error) {
		// out, err := stsClient.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{
		//	Audience: []string{audience}, SigningAlgorithm: aws.String("RS256"),
		// })
		return "token for " + audience, nil
	}
	_, err := access.Options(access.IAMOAuthBearer(token), access.Literal(access.TypeOAuthBearerAudience, "https://kafka.example.com"))
	fmt.Println(err)
	_, err = access.Options(access.IAMOAuthBearer(token))
	fmt.Println(err)

	// Output:
	// <nil>
	// kafka access: IAM_OAUTHBEARER_AUTH needs OAUTHBEARER_AUDIENCE
}
