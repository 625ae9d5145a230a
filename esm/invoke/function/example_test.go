package function_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// handle is deployed to Lambda by lambda.Start(handle).
func handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	log.Printf("request %s to %s", lc.AwsRequestID, lc.InvokedFunctionArn)
	var response events.SQSEventResponse
	for _, message := range event.Records {
		if strings.HasPrefix(message.Body, "poison") {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			continue
		}
		fmt.Println("handled", message.Body)
	}
	return response, nil
}

func newMapping(source sources.Source) (*esm.Mapping, error) {
	handler, err := function.New(handle, function.Options{}) // on Lambda: lambda.Start(handle)
	if err != nil {
		return nil, err
	}
	return esm.New(source, handler, esm.Config{
		FunctionARN:             "arn:aws:lambda:eu-west-1:123456789012:function:orders",
		ReportBatchItemFailures: true,
		Timeout:                 time.Second,
	})
}

// A function as it is deployed to Lambda.
func ExampleNew() {
	deadLetters := memory.NewQueue(memory.QueueOptions{})
	queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Second, MaxReceiveCount: 1, DeadLetter: deadLetters})
	for _, body := range []string{"order 1", "poison 2", "order 3"} {
		queue.Send(body)
	}
	queue.End()
	mapping, err := newMapping(queue.Source())
	if err != nil {
		log.Fatal(err)
	}
	if err := mapping.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("dead letters", deadLetters.Bodies())
	// Output:
	// handled order 1
	// handled order 3
	// dead letters [poison 2]
}

// A function with variables of its own, as each execution environment of Lambda has
// them: no lock is needed.
func ExampleNew_environment() {
	queue := memory.NewQueue(memory.QueueOptions{})
	for range 4 {
		queue.Send("order")
	}
	queue.End()
	environment := func() lambda.Handler {
		seen := 0
		return lambda.NewHandler(func(event events.SQSEvent) {
			seen += len(event.Records)
			fmt.Println("seen", seen)
		})
	}
	handler, err := function.New(environment, function.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mapping, err := esm.New(queue.Source(), handler, esm.Config{BatchSize: 1, MaximumConcurrency: 1})
	if err != nil {
		log.Fatal(err)
	}
	if err := mapping.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// seen 1
	// seen 2
	// seen 3
	// seen 4
}

// TestReadmeShowsThisCode holds the README to what ExampleNew runs.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := string(source)
	code = code[strings.Index(code, "func handle("):strings.Index(code, "// A function as it is")]
	if !strings.Contains(string(readme), "```go\n"+strings.TrimSpace(code)+"\n```\n") {
		t.Error("README.md does not show handle and newMapping as they are here")
	}
}
