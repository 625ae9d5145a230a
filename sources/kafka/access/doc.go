// Package access says how Kafka brokers are reached and how a client
// authenticates: AWS's SourceAccessConfigurations as values, made by
// constructors or read from the secrets that Lambda reads, and turned into
// options of a franz-go client.
//
//	options, err := access.Options(
//		access.SASLSCRAM512("consumer", password),
//		access.ServerRootCA(pem),
//	)
//
// # What there is
//
// One way to authenticate at most (KAF-119):
//
//	BASIC_AUTH                   BasicAuth              SASL/PLAIN (KAF-100)
//	SASL_SCRAM_256_AUTH          SASLSCRAM256           (KAF-101)
//	SASL_SCRAM_512_AUTH          SASLSCRAM512           (KAF-102)
//	CLIENT_CERTIFICATE_TLS_AUTH  ClientCertificateTLS   mutual TLS (KAF-103)
//	OAUTHBEARER_AUTH             OAuthBearer            a token of an OAuth 2.0 provider (KAF-107)
//	                             OAuthBearerToken       a token of any source
//	IAM_AUTH                     IAM                    MSK's AWS_MSK_IAM (KAF-109)
//	IAM_OAUTHBEARER_AUTH         IAMOAuthBearer         a web identity token of AWS (KAF-110)
//
// With any of them, or alone, ServerRootCA names a private CA (KAF-104), and
// Literal adds what a token is asked for or sent with (KAF-108). Every way but
// Plaintext and SASLPlaintext is over TLS 1.2 or later, and the brokers'
// certificates are verified (KAF-112). TLS alone is unauthenticated. No entry
// at all is plain text, the client's own default, with nothing secret in it.
//
// A mapping has one list of entries and uses it: unlike AWS on an MSK cluster
// with several ways active, nothing is chosen from what the cluster offers,
// and nothing falls back (KAF-117). The port must be that of the way (KAF-118:
// on MSK 9092 plain text, 9094 TLS, 9096 SCRAM, 9098 IAM).
//
// VPC_SUBNET and VPC_SECURITY_GROUP say where AWS's own pollers run (KAF-105,
// KAF-106). They have no meaning here and are refused.
//
// # Secrets
//
// No error and no printed value of this package has a secret in it, nor a part of
// one, nor anything else of a secret's document, not even a URL (P13); but for the
// host of an identity provider that cannot be reached or trusted, which is named.
// The package logs nothing.
//
// # Concurrency
//
// A Config does not change once it is made. It may be used for several
// clients, at the same time, and these share its tokens.
package access
