package awscall

import "strings"

// Hopeless says why a call of a client that was never of use cannot succeed however
// often it is made, and what to do; "" for any other error. It is for the start: later
// the same answer may pass, since credentials are renewed.
func Hopeless(err error) string {
	if err == nil {
		return ""
	}
	switch Code(err) {
	case "":
		return unequipped(err.Error())
	case "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return noCredentials
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
		return "the access key or the session token is not one that the service knows: correct the client's credentials"
	case "SignatureDoesNotMatch", "InvalidSignatureException":
		return "the secret key is not that of the access key, or this host's clock is wrong: correct the client's credentials or the clock"
	default:
		return ""
	}
}

const noCredentials = "the client has no credentials: give them in its configuration, the environment, a profile or a role"

// unequipped is Hopeless for a call that was not made. The SDK tells these by their
// texts alone.
func unequipped(text string) string {
	switch {
	case strings.Contains(text, "Missing Region"):
		return "the client has no region: set Region in its configuration, or AWS_REGION"
	case strings.Contains(text, "static credentials are empty"), strings.Contains(text, "access disabled to EC2 IMDS"):
		return noCredentials
	default:
		return ""
	}
}
