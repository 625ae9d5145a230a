package kinesistest

import (
	"math"
	"time"
)

// request is a decoded call.
type request interface {
	// describe fills in what the call names. The mutex is held.
	describe(s *Server, c *Call)
	// run does the call and returns the JSON of its answer, or an *Error.
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
	case "SubscribeToShard":
		return &subscribeToShard{}
	case "PutRecord":
		return &putRecord{}
	case "PutRecords":
		return &putRecords{}
	case "ListShards":
		return &listShards{}
	case "SplitShard":
		return &splitShard{}
	case "MergeShards":
		return &mergeShards{}
	case "RegisterStreamConsumer":
		return &registerConsumer{}
	case "DescribeStreamConsumer":
		return &describeConsumer{}
	case "DeregisterStreamConsumer":
		return &deregisterConsumer{}
	default:
		return newStreamRequest(action)
	}
}

// newStreamRequest makes the requests about streams as a whole.
func newStreamRequest(action string) request {
	switch action {
	case "ListStreamConsumers":
		return &listConsumers{}
	case "CreateStream":
		return &createStream{}
	case "DeleteStream":
		return &deleteStream{}
	case "DescribeStream":
		return &describeStream{}
	case "DescribeStreamSummary":
		return &describeSummary{}
	default:
		return nil
	}
}

// onStream is the part that most requests share.
type onStream struct {
	Name string `json:"StreamName"`
	ARN  string `json:"StreamARN"`
}

// stream returns the stream that the request names. The mutex is held.
func (r *onStream) stream(s *Server) (*stream, error) {
	if r.Name == "" && r.ARN == "" {
		return nil, invalidArgument("Either StreamName or StreamARN must be given.")
	}
	if r.Name != "" && !legalName(r.Name) {
		return nil, invalid("streamName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+, of 1 to 128 characters")
	}
	if r.ARN == "" {
		return s.lookup(r.Name)
	}
	n, ok := parseARN(r.ARN)
	if !ok || n.consumer != "" || r.Name != "" && r.Name != n.stream {
		return nil, invalidArgument("The StreamARN is not that of a stream, or of another one than StreamName.")
	}
	return s.lookup(r.ARN)
}

func (r *onStream) describe(s *Server, c *Call) {
	if st, err := r.stream(s); err == nil {
		c.Stream = st.name.stream
	}
}

// given is the value of a number that may be missing, or what stands for it.
func given(n *int, missing int) int {
	if n == nil {
		return missing
	}
	return *n
}

// epoch is a time of the protocol: seconds since 1970, exact to milliseconds.
type epoch float64

func (e epoch) time() time.Time { return time.UnixMilli(int64(math.Round(float64(e) * 1000))) }
