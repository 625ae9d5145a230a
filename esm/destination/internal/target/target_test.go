package target_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

var errPoison = errors.New("poison")

// failureRecord is that of a batch of two records.
func failureRecord(t *testing.T) *esm.FailureRecord {
	t.Helper()
	var given *esm.FailureRecord
	stream := memory.NewStream(memory.StreamOptions{})
	stream.Put("key", []byte("one"))
	stream.Put("key", []byte("two"))
	stream.End()
	mapping, err := esm.New(stream.Source("app"), esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, errPoison
	}), esm.Config{
		OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
			given = record
			return nil
		}),
		MaximumRetryAttempts: new(0), MaximumBatchingWindow: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mapping.Run(t.Context()); err != nil || given == nil || len(given.Records) != 2 {
		t.Fatalf("Run: %v; given up: %+v", err, given)
	}
	return given
}

// A document may be as long as the target takes, and not a byte longer (ASYNC-58).
func TestFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		record := failureRecord(t)
		whole, err := record.Marshal(esm.ObjectPayload)
		bare, errBare := record.Marshal(esm.NoPayload)
		if err != nil || errBare != nil {
			t.Fatal(err, errBare)
		}
		for _, test := range []struct {
			most, documents int
			payload         bool
		}{
			{len(whole), 1, true},
			{len(whole) - 1, 1, false},
			{len(bare), 1, false},
			{len(bare) - 1, 2, false},
			{1, 2, false}, // a record alone is not divided
		} {
			documents, err := target.Fit(record, esm.ObjectPayload, test.most)
			if err != nil || len(documents) != test.documents {
				t.Errorf("%d bytes: %d documents, %v; want %d", test.most, len(documents), err, test.documents)
			}
			for _, document := range documents {
				if has := bytes.Contains(document, []byte(`"payload":`)); has != test.payload {
					t.Errorf("%d bytes: payload %v: %s", test.most, has, document)
				}
			}
		}
	})
}
