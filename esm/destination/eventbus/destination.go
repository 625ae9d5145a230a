// Package eventbus delivers failure records to an Amazon EventBridge bus: one
// event each, in the envelope that Lambda's asynchronous invocations have
// (ASYNC-53, ASYNC-56):
//
//	source       lambda
//	detail-type  Lambda Function Invocation Result - Failure
//	resources    the bus, the function
//	detail       the failure record
//
// The event document of what failed is a JSON object in the member payload of the
// detail, so that rules can match what is in it.
//
// AWS has buses as destinations of asynchronous invocations only, and would refuse
// one for a mapping (DST-01..03); the form of the record is that of Kafka topics
// (DST-46). If the entry is larger than the 1 MB that EventBridge takes (DST-65a), the
// payload is left out, as AWS does where a target is too small (ASYNC-58). Where AWS
// still takes less, give [MaximumEntryBytes].
//
// It needs the permission events:PutEvents (ASYNC-57). With events:DescribeEventBus a bus
// that does not exist is told at the start.
package eventbus

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

const (
	source     = "lambda"
	detailType = "Lambda Function Invocation Result - Failure"

	// maxBytes is the largest entry (DST-65a).
	maxBytes = 1 << 20

	operation = "PutEvents"
)

// Client is the part of the SDK's client that a destination uses;
// *eventbridge.Client has it. It must be of the bus's region and safe for
// concurrent use.
type Client interface {
	PutEvents(ctx context.Context, in *eventbridge.PutEventsInput,
		options ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// Destination is a bus as on-failure destination.
type Destination struct {
	client Client
	bus    string
	most   int // bytes of an entry
}

var _ esm.Destination = (*Destination)(nil)

// Option changes a destination.
type Option func(*Destination) error

// MaximumEntryBytes is the size of the largest entry that the bus takes, if it is less
// than 1 MB: it was 256 KB (256 << 10) until 2026, and partitions of AWS other than aws
// may come later.
func MaximumEntryBytes(n int) Option {
	return func(d *Destination) error {
		d.most = n
		if n < 1 || n > maxBytes {
			return fmt.Errorf("MaximumEntryBytes: %d must be between 1 and %d", n, maxBytes)
		}
		return nil
	}
}

// busName is how a bus may be named.
var busName = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,256}$`)

// New makes a destination of a bus, given by its ARN or its name in the client's
// account and region; resources in events name it as given. It makes no call; its
// error names every violation.
func New(client Client, bus string, options ...Option) (*Destination, error) {
	destination := &Destination{client: client, bus: bus, most: maxBytes}
	var errs []error
	for _, option := range options {
		errs = append(errs, option(destination))
	}
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	name := bus
	if target.IsARN(bus) {
		a, err := target.ParseARN("bus", bus, "events")
		errs = append(errs, err)
		var isBus bool
		if name, isBus = strings.CutPrefix(a.Resource, "event-bus/"); err == nil && !isBus {
			errs = append(errs, fmt.Errorf("bus: ARN %q is of no event bus; want event-bus/NAME", bus))
		}
	}
	if name != "" || bus == "" {
		if !busName.MatchString(name) {
			errs = append(errs, fmt.Errorf("bus: %q is no bus's name or ARN: want 1 to 256 letters, digits, . _ / and -", bus))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination eventbridge: %w", err)
	}
	return destination, nil
}

// Deliver puts one event. It may come twice if an answer is lost.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	entry := types.PutEventsRequestEntry{
		EventBusName: &d.bus, Source: aws.String(source), DetailType: aws.String(detailType),
		Resources: []string{d.bus, qualified(record.FunctionARN)},
	}
	return target.Each(record, esm.ObjectPayload, d.most-size(&entry), func(document []byte) error {
		entry.Detail = aws.String(string(document))
		return d.put(ctx, entry)
	})
}

func (d *Destination) put(ctx context.Context, entry types.PutEventsRequestEntry) error {
	out, err := awscall.Do(ctx, awscall.Limit, d.client.PutEvents,
		&eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}}, once)
	if err != nil {
		return &awscall.Error{Service: "events", Operation: operation, Target: "bus " + d.bus, Err: err}
	}

	// The call succeeds though its one entry fails.
	for i := range out.Entries {
		if code := out.Entries[i].ErrorCode; code != nil {
			return fmt.Errorf("events: %s on bus %s: entry refused: %s", operation, d.bus, awscall.Printable(*code))
		}
	}
	if out.FailedEntryCount > 0 {
		return fmt.Errorf("events: %s on bus %s: entry refused without a reason", operation, d.bus)
	}
	if len(out.Entries) != 1 || aws.ToString(out.Entries[0].EventId) == "" {
		return target.Lacks("events: "+operation+" on bus "+d.bus, "EventId")
	}
	return nil
}

// size is what an entry takes without its detail, as EventBridge counts.
func size(e *types.PutEventsRequestEntry) int {
	bytes := len(*e.Source) + len(*e.DetailType)
	for _, r := range e.Resources {
		bytes += len(r)
	}
	return bytes
}

// qualified is a function's ARN with a qualifier; other names stay as they are.
func qualified(function string) string {
	const parts = 7 // of the ARN of a function without a qualifier
	if strings.Contains(function, ":lambda:") && strings.Count(function, ":") == parts-1 {
		return function + ":$LATEST"
	}
	return function
}

// once turns the SDK's own retries off: the mapping tries again.
func once(o *eventbridge.Options) { o.RetryMaxAttempts, o.Retryer = 0, aws.NopRetryer{} }
