package dynamodbstreamstest

import (
	"math"
	"time"
)

// request is a decoded call.
type request interface {
	// describe fills in what the call names. The mutex is held.
	describe(s *Server, c *Call)
	// run does the call and returns the JSON of its answer, or an *Error. The mutex
	// is held.
	run(x exchange) ([]byte, error)
}

// exchange is what a running call knows of its surroundings.
type exchange struct {
	server *Server
	fault  Fault
	host   string // of the call
}

// newRequest returns an empty request of the action, nil if there is none.
func newRequest(action string) request {
	switch action {
	case "GetRecords":
		return &getRecords{}
	case "GetShardIterator":
		return &getShardIterator{}
	case "DescribeStream":
		return &describeStream{}
	case "ListStreams":
		return &listStreams{}
	default:
		return nil
	}
}

// given is the value of a number that may be missing, or what stands for it.
func given(n *int, missing int) int {
	if n == nil {
		return missing
	}
	return *n
}

// checkARN holds the ARN of a stream to its form.
func checkARN(arn string) error {
	if len(arn) < minARN || len(arn) > maxARN {
		return invalid("1 validation error detected: Value at 'streamArn' failed to satisfy constraint: " +
			"Member must have length between 37 and 1024")
	}
	return nil
}

// checkShard holds the ID of a shard to its form (DDB-12).
func checkShard(parameter, id string) error {
	if !legal(id, minShardID, maxShardID) {
		return invalid("1 validation error detected: Value at '" + parameter + "' failed to satisfy constraint: " +
			"Member must have length between 28 and 65, and be of letters, digits and hyphens")
	}
	return nil
}

const (
	minARN, maxARN         = 37, 1024
	minShardID, maxShardID = 28, 65
	minDigits, maxDigits   = 21, 40 // of a sequence number (DDB-12)
)

// epoch is a time of the protocol: seconds since 1970, exact to milliseconds.
type epoch float64

func (e epoch) time() time.Time { return time.UnixMilli(int64(math.Round(float64(e) * 1000))) }
