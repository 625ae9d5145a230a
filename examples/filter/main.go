// Filter shows event filter patterns, as they stand in the AWS console, on an
// embedded queue: it prints the messages that pass.
//
//	go run ./examples/filter
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// Pasted from the AWS console.
const (
	largeInvoices = `{
  "body": {
    "kind": [ "invoice" ],
    "total": [ { "numeric": [ ">=", 100 ] } ]
  }
}`
	urgentOrEurope = `{ "body": { "$or": [ { "urgent": [ true ] }, { "region": [ { "prefix": "eu-" } ] } ] } }`
)

func newMapping(source sources.Source) (*esm.Mapping, error) {
	return esm.New(source, esm.Typed(handle), esm.Config{
		FilterCriteria: esm.FilterCriteria{Filters: []string{largeInvoices, urgentOrEurope}},
	})
}

func main() {
	queue := memory.NewQueue(memory.QueueOptions{})
	for _, body := range []string{
		`{"kind":"invoice","total":100}`,
		`{"kind":"invoice","total":"100"}`, // a text of digits is no number
		`{"kind":"reminder","urgent":true}`,
		`{"region":["us-1","eu-3"]}`,
		`hello`, // is no JSON
		`{"kind":{"a":"invoice"},"total":500}`,
	} {
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
	fmt.Println("deleted:", queue.Deleted())
}

func handle(_ context.Context, event events.SQSEvent) error {
	for _, message := range event.Records {
		fmt.Println("passed: ", message.Body)
	}
	return nil
}
