package access

// Type is what an entry is, as AWS names it in SourceAccessConfiguration.Type.
type Type string

// The types that AWS knows for Kafka.
const (
	// TypeBasicAuth is SASL/PLAIN (KAF-100).
	TypeBasicAuth Type = "BASIC_AUTH"
	// TypeSASLSCRAM256 is SASL/SCRAM with SHA-256 (KAF-101).
	TypeSASLSCRAM256 Type = "SASL_SCRAM_256_AUTH"
	// TypeSASLSCRAM512 is SASL/SCRAM with SHA-512 (KAF-102).
	TypeSASLSCRAM512 Type = "SASL_SCRAM_512_AUTH"
	// TypeClientCertificateTLS is mutual TLS (KAF-103).
	TypeClientCertificateTLS Type = "CLIENT_CERTIFICATE_TLS_AUTH"
	// TypeServerRootCA is the CA of the brokers' certificates (KAF-104).
	TypeServerRootCA Type = "SERVER_ROOT_CA_CERTIFICATE"
	// TypeVPCSubnet is where AWS's pollers run (KAF-105). It is refused here.
	TypeVPCSubnet Type = "VPC_SUBNET"
	// TypeVPCSecurityGroup is where AWS's pollers run (KAF-106). It is refused here.
	TypeVPCSecurityGroup Type = "VPC_SECURITY_GROUP"
	// TypeOAuthBearer is SASL/OAUTHBEARER (KAF-107).
	TypeOAuthBearer Type = "OAUTHBEARER_AUTH" //nolint:gosec // a name
	// TypeOAuthBearerScope is a literal: the scope that a token is asked for (KAF-108).
	TypeOAuthBearerScope Type = "OAUTHBEARER_SCOPE" //nolint:gosec // a name
	// TypeOAuthBearerAudience is a literal: the audience that a token is asked for (KAF-108).
	TypeOAuthBearerAudience Type = "OAUTHBEARER_AUDIENCE" //nolint:gosec // a name
	// TypeOAuthBearerLogicalCluster is a literal: the logical cluster that is
	// told to the brokers (KAF-108).
	TypeOAuthBearerLogicalCluster Type = "OAUTHBEARER_LOGICAL_CLUSTER" //nolint:gosec // a name
	// TypeOAuthBearerIdentityPool is a literal: the identity pool that is told to
	// the brokers (KAF-108).
	TypeOAuthBearerIdentityPool Type = "OAUTHBEARER_IDENTITY_POOL" //nolint:gosec // a name
	// TypeIAM is MSK's IAM access control (KAF-109).
	TypeIAM Type = "IAM_AUTH"
	// TypeIAMOAuthBearer is a web identity token of AWS over SASL/OAUTHBEARER (KAF-110).
	TypeIAMOAuthBearer Type = "IAM_OAUTHBEARER_AUTH" //nolint:gosec // a name
)

// What AWS has no type for is named as in Kafka's security.protocol.
const (
	typeTLS           Type = "SSL"
	typePlaintext     Type = "PLAINTEXT"
	typeSASLPlaintext Type = "SASL_PLAINTEXT"
)

// isSASL tells the ways to authenticate by SASL.
func (t Type) isSASL() bool {
	switch t {
	case TypeBasicAuth, TypeSASLSCRAM256, TypeSASLSCRAM512, TypeOAuthBearer, TypeIAM, TypeIAMOAuthBearer:
		return true
	default:
		return false
	}
}

// isAuthentication tells the ways to authenticate, of which one may be used (KAF-119).
func (t Type) isAuthentication() bool { return t.isSASL() || t == TypeClientCertificateTLS }

// isLiteral tells the entries whose value is no secret (KAF-108).
func (t Type) isLiteral() bool {
	switch t {
	case TypeOAuthBearerScope, TypeOAuthBearerAudience, TypeOAuthBearerLogicalCluster, TypeOAuthBearerIdentityPool:
		return true
	default:
		return false
	}
}
