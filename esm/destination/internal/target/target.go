// Package target is what the destinations share: how targets are named, and how
// large a failure record may be.
package target

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/openesm/openesm/esm"
)

// ErrNoClient says that a constructor got no client.
var ErrNoClient = errors.New("client: is nil")

// IsNil reports whether a client is nil, or a nil pointer.
func IsNil(client any) bool {
	if client == nil {
		return true
	}
	v := reflect.ValueOf(client)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// IsARN reports whether a name is meant to be an ARN.
func IsARN(name string) bool { return strings.HasPrefix(name, "arn:") }

// ParseARN reads the ARN of something of a service. field names it in errors.
func ParseARN(field, text, service string) (arn.ARN, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return a, fmt.Errorf("%s: %q is no ARN: want arn:PARTITION:%s:REGION:ACCOUNT:NAME", field, text, service)
	}
	if a.Service != service {
		return a, fmt.Errorf("%s: ARN %q is of service %q; want %q", field, text, a.Service, service)
	}
	if a.Resource == "" {
		return a, fmt.Errorf("%s: ARN %q names nothing", field, text)
	}
	return a, nil
}

// Lacks is the error of an answer of success without what each such answer has: it
// may come from something on the way to the service, so nothing is known of the
// delivery.
func Lacks(call, what string) error { return fmt.Errorf("%s: the answer has no %s", call, what) }

// Fit returns the document of a failure record with its payload; without it if the
// document is longer than most bytes with it, as AWS does (ASYNC-58). If it is too
// long even then, as one that names thousands of partitions may be, it returns several:
// of parts of the records, with the same request ID.
func Fit(f *esm.FailureRecord, payload esm.Payload, most int) ([][]byte, error) {
	document, err := f.Marshal(payload)
	half := len(f.Records) / 2
	switch {
	case err != nil:
		return nil, err
	case len(document) <= most:
		return [][]byte{document}, nil
	case payload != esm.NoPayload:
		return Fit(f, esm.NoPayload, most)
	case half == 0:
		return [][]byte{document}, nil // the service says what it thinks of it
	}
	first, err := Fit(f.Part(0, half), payload, most)
	if err != nil {
		return nil, err
	}
	second, err := Fit(f.Part(half, len(f.Records)), payload, most)
	return append(first, second...), err
}

// Each delivers the documents that [Fit] makes, one after the other.
func Each(f *esm.FailureRecord, payload esm.Payload, most int, deliver func(document []byte) error) error {
	documents, err := Fit(f, payload, most)
	if err != nil {
		return err
	}
	for _, document := range documents {
		if err := deliver(document); err != nil {
			return err
		}
	}
	return nil
}

// Unusable is the error of a check that said for certain that nothing can be delivered.
func Unusable(err error) error { return fmt.Errorf("%w: %w", err, esm.ErrDestinationUnusable) }
