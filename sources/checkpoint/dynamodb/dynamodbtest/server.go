package dynamodbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

const (
	region     = "eu-west-1"
	account    = "123456789012"
	maxRequest = 16 << 20 // bytes; more than any legal request
)

// Server is a fake of Amazon DynamoDB: an [http.Handler] that speaks AWS JSON
// 1.0, and an in-memory HTTP server that serves it. Make one with [New], inside
// the synctest bubble if there is one. All methods may be called concurrently.
type Server struct {
	http *memhttp.Server

	mu       sync.Mutex // held for moments, never while anything waits
	tables   map[string]*table
	page     int           // items a page of a scan has at most, 0 for any
	creation time.Duration // how long a table is being created
	calls    map[string]int
	script   map[string][]Fault
	hook     func(Call) Fault
}

// New starts a fake without tables. The caller closes it.
func New() *Server {
	s := &Server{
		tables: make(map[string]*table), calls: make(map[string]int), script: make(map[string][]Fault),
	}
	s.http = memhttp.New(s)
	return s
}

// Client returns an SDK client for the fake, with dummy credentials; optFns may
// change its options.
func (s *Server) Client(optFns ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       region,
		BaseEndpoint: aws.String(s.http.URL()),
		HTTPClient:   s.http.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	}, optFns...)
}

// Close cuts all connections and waits for the calls under way. No goroutine is
// left. Closing again is harmless.
func (s *Server) Close() error { return s.http.Close() }

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

// ServeHTTP answers one call of the AWS JSON 1.0 protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		write(w, validation("The request could not be read"), nil)
		return
	}
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	req := newRequest(action)
	if req == nil {
		write(w, &Error{http.StatusBadRequest, "com.amazon.coral.service#UnknownOperationException", action}, nil)
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(req); err != nil {
		write(w, validation("The fake does not know what "+action+" asks for: "+err.Error()), nil)
		return
	}
	fault := s.choose(action, req)
	var answer any
	switch {
	case fault.Cut == CutBefore:
	case fault.Err != nil:
		err = fault.Err
	case fault.Answer != nil:
		answer = json.RawMessage(*fault.Answer)
	default:
		s.mu.Lock()
		answer, err = req.run(s)
		s.mu.Unlock()
	}
	pause(r.Context(), fault.Delay)
	if fault.Cut != CutNone {
		panic(http.ErrAbortHandler) // how net/http is told to cut the connection
	}
	write(w, err, answer)
}

// write sends the answer, or the error if it is not nil. A client that went away
// is no concern of the fake.
func write(w http.ResponseWriter, err error, answer any) {
	status := http.StatusOK
	var body []byte
	if raw, ok := answer.(json.RawMessage); ok {
		body = raw
	} else if err == nil {
		body, err = json.Marshal(answer)
	}
	if err != nil {
		e := asError(err)
		status, body = e.Status, e.body()
	}
	header := w.Header()
	header.Set("Content-Type", "application/x-amz-json-1.0")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error is no concern, see above
}
