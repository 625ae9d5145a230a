package sqs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

var settings = sources.Settings{BatchSize: 10, Timeout: 3 * time.Second}

func newSource(t *testing.T, s *stub, options sqs.Options) *sqs.Source {
	t.Helper()
	source, err := sqs.New(s, s.arn, options)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return source
}

// open starts a source on s and returns its partition.
func open(t *testing.T, s *stub, options sqs.Options) (*sqs.Source, sources.Partition) {
	t.Helper()
	source := newSource(t, s, options)
	err := source.Start(t.Context(), settings)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	p, err := source.Accept(t.Context())
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return source, p
}

// openWith is open with other settings.
func openWith(t *testing.T, client sqs.Client, options sqs.Options, settings sources.Settings) sources.Partition {
	t.Helper()
	queue := standardARN
	if s, ok := client.(*stub); ok {
		queue = s.arn
	}
	source, err := sqs.New(client, queue, options)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	err = source.Start(t.Context(), settings)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	p, err := source.Accept(t.Context())
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return p
}

func extend(t *testing.T, p sources.Partition, records []sources.Record) {
	t.Helper()
	extender, ok := p.(sources.Extender)
	if !ok {
		t.Fatal("not an Extender")
	}
	err := extender.Extend(t.Context(), records)
	if err != nil {
		t.Errorf("Extend: %v", err)
	}
}

func closePartition(t *testing.T, p sources.Partition) {
	t.Helper()
	err := p.Close(context.Background())
	if err != nil {
		t.Errorf("Close: %v", err)
	}
}

func fetch(t *testing.T, p sources.Partition, places int, wait time.Duration) []sources.Record {
	t.Helper()
	buf := make([]sources.Record, places)
	n, err := p.Fetch(t.Context(), buf, wait)
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return buf[:n]
}

func bodies(records []sources.Record) string {
	return strings.Join(texts(records), " ")
}
