package eventbus_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/eventbus"
	"github.com/openesm/openesm/esm/destination/internal/destinationtest"
)

const (
	bus      = "arn:aws:events:eu-west-1:123456789012:event-bus/results"
	function = "arn:aws:lambda:eu-west-1:123456789012:function:consumer"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
})

// take answers PutEvents. The place is the envelope.
func take(w http.ResponseWriter, _ *http.Request, body []byte) (document, place string, delivers bool) {
	var in struct {
		Entries []struct {
			Source       string   `json:"Source"`
			DetailType   string   `json:"DetailType"`
			Detail       string   `json:"Detail"`
			EventBusName string   `json:"EventBusName"`
			Resources    []string `json:"Resources"`
		} `json:"Entries"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Entries) != 1 {
		panic("no entry")
	}
	e := in.Entries[0]
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = w.Write([]byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}`))
	return e.Detail, strings.Join(append([]string{e.EventBusName, e.Source, e.DetailType}, e.Resources...), "|"), true
}

// checks answers DescribeEventBus.
func checks(w http.ResponseWriter, r *http.Request, _ []byte) bool {
	asked := r.Header.Get("X-Amz-Target") == "AWSEvents.DescribeEventBus"
	if asked && w != nil {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(`{"Name":"results"}`))
	}
	return asked
}

// Destination (ASYNC-53, ASYNC-56, ASYNC-58, ASYNC-125).
func TestDestination(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, destinationtest.Kind{
		Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseJSON, Checks: checks},
		New: func(client *http.Client, url string) (esm.Destination, error) {
			return eventbus.New(awseventbridge.New(awseventbridge.Options{
				Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials,
			}), bus)
		},
		Missing: "ResourceNotFoundException", Denied: "AccessDeniedException", Permission: "permission events:PutEvents",
		Payload: esm.ObjectPayload, Limit: 1 << 20,
		Place: bus + "|lambda|Lambda Function Invocation Result - Failure|" + bus + "|" + function + ":$LATEST",
	})
}

// partial is a client whose calls succeed though their entry fails.
type partial struct {
	out awseventbridge.PutEventsOutput
}

func (p partial) PutEvents(
	context.Context, *awseventbridge.PutEventsInput, ...func(*awseventbridge.Options),
) (*awseventbridge.PutEventsOutput, error) {
	return &p.out, nil
}

func TestFailedEntryIsAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		out  awseventbridge.PutEventsOutput
		text string
	}{
		"with a code": {awseventbridge.PutEventsOutput{FailedEntryCount: 1, Entries: []types.PutEventsResultEntry{
			{ErrorCode: aws.String("ThrottlingException"), ErrorMessage: aws.String("secret")},
		}}, "events: PutEvents on bus results: entry refused: ThrottlingException"},
		"with an odd code": {awseventbridge.PutEventsOutput{FailedEntryCount: 1, Entries: []types.PutEventsResultEntry{
			{ErrorCode: aws.String("Odd\n\x1b[31m")},
		}}, `events: PutEvents on bus results: entry refused: Odd\n\x1b[31m`},
		"by the count only": {awseventbridge.PutEventsOutput{FailedEntryCount: 1}, "events: PutEvents on bus results: entry refused without a reason"},
		"not":               {awseventbridge.PutEventsOutput{Entries: []types.PutEventsResultEntry{{EventId: aws.String("1")}}}, ""},
	} {
		d, err := eventbus.New(partial{c.out}, "results")
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(d.Deliver(t.Context(), &esm.FailureRecord{}))
		if (err == nil) != (c.text == "") || err != nil && err.Error() != c.text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSmallerLimit_DST65a is for partitions of AWS that take less.
func TestSmallerLimit_DST65a(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, destinationtest.Kind{
		Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseJSON, Checks: checks},
		New: func(client *http.Client, url string) (esm.Destination, error) {
			return eventbus.New(awseventbridge.New(awseventbridge.Options{
				Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials,
			}), bus, eventbus.MaximumEntryBytes(256<<10))
		},
		Missing: "ResourceNotFoundException", Denied: "AccessDeniedException", Permission: "permission events:PutEvents",
		Payload: esm.ObjectPayload, Limit: 256 << 10,
		Place: bus + "|lambda|Lambda Function Invocation Result - Failure|" + bus + "|" + function + ":$LATEST",
	})
	for _, n := range []int{-1, 0, 1<<20 + 1} {
		_, err := eventbus.New(partial{}, bus, eventbus.MaximumEntryBytes(n))
		if err == nil || !strings.Contains(err.Error(), "MaximumEntryBytes: ") {
			t.Errorf("%d: error %v", n, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	client := awseventbridge.New(awseventbridge.Options{})
	for _, name := range []string{
		bus,
		"results",
		"aws.partner/example.com/x",
	} {
		if _, err := eventbus.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"":    "bus: \"\" is no bus",
		"a b": "is no bus",
		"arn:aws:events:eu-west-1:123456789012:rule/x": "is of no event bus",
		"arn:aws:sqs:eu-west-1:123456789012:failures":  `of service "sqs"; want "events"`,
	} {
		if _, err := eventbus.New(client, name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want one with %q", name, err, text)
		}
	}
	for _, none := range []eventbus.Client{nil, (*awseventbridge.Client)(nil)} {
		if _, err := eventbus.New(none, ""); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
