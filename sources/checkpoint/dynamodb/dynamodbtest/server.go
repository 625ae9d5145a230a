package dynamodbtest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
)

// Server is a fake of Amazon DynamoDB: an [http.Handler] that speaks AWS JSON
// 1.0, and an in-memory HTTP server that serves it. Make one with [New], inside
// the synctest bubble if there is one. All methods may be called concurrently.
type Server struct {
	wire *wirefake.Server[request, Call, Fault]

	mu       sync.Mutex // held for moments, never while anything waits
	tables   map[string]*table
	page     int           // items a page of a scan has at most, 0 for any
	creation time.Duration // how long a table is being created
}

// New starts a fake without tables. The caller closes it.
func New() *Server {
	s := &Server{tables: make(map[string]*table)}
	s.wire = wirefake.New(wirefake.Service[request, Call, Fault]{
		Target: "DynamoDB_20120810.", ContentType: "application/x-amz-json-1.0", Strict: true, Checksum: true, Mutex: &s.mu,
		New: newRequest, Describe: describe, Do: s.do, Plan: Fault.plan, Refuse: refuse,
	})
	return s
}

// Client returns an SDK client for the fake, with dummy credentials, and with the
// attempts a call that the SDK has by itself; optFns may change its options.
func (s *Server) Client(optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	config := s.wire.Config(region)
	config.RetryMaxAttempts = 0
	return dynamodb.NewFromConfig(config, optFns...)
}

// Close cuts all connections and waits for the calls under way. No goroutine is
// left. Closing again is harmless.
func (s *Server) Close() error { return s.wire.Close() }

// ServeHTTP answers one call of the AWS JSON 1.0 protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.wire.ServeHTTP(w, r) }

// SetPage limits the items that a page of a scan has; 0 for no limit but size.
func (s *Server) SetPage(items int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = items
}

// SetCreation has tables that are created from now on be in the state CREATING
// for so long. Default 0.
func (s *Server) SetCreation(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.creation = d
}

// request is a decoded call.
type request interface {
	// table is the table's name.
	table() string
	// run does the call and returns its answer, or an *Error. The server's mutex
	// is held.
	run(s *Server) (any, error)
}

// newRequest returns an empty request of the action, nil if there is none.
func newRequest(action string) request {
	switch action {
	case "CreateTable":
		return &createTable{}
	case "DescribeTable":
		return &describeTable{}
	case "PutItem":
		return &putItem{}
	case "UpdateItem":
		return &updateItem{}
	case "DeleteItem":
		return &deleteItem{}
	case "Scan":
		return &scan{}
	default:
		return nil
	}
}

// onTable is the part that all requests share.
type onTable struct {
	TableName string `json:"TableName"`
}

func (r *onTable) table() string { return r.TableName }

// describe tells what the call is.
func describe(from wirefake.Origin, req request) Call {
	call := Call{Action: from.Action, Table: req.table(), Number: from.Number}
	if r, ok := req.(*scan); ok {
		call.Consistent = r.ConsistentRead
	}
	return call
}

// do has a call take effect.
func (s *Server) do(_ context.Context, _ wirefake.Origin, req request, _ Fault) wirefake.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, err := req.run(s)
	if err != nil {
		return wirefake.Answer{Err: err}
	}
	body, err := json.Marshal(answer)
	return wirefake.Answer{Body: body, Err: err}
}
