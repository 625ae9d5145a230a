package esm_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func nothing(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil }

// sqsLike has the rules of SQS, which memory has but for the receive of ten.
func sqsLike() sources.Source {
	return &stub{Source: memory.NewQueue(memory.QueueOptions{}).Source(), traits: func(t sources.Traits) sources.Traits {
		t.UnwindowedBatchSize = 10
		return t
	}}
}

func fifo() sources.Source { return memory.NewQueue(memory.QueueOptions{FIFO: true}).Source() }

func stream() sources.Source { return memory.NewStream(memory.StreamOptions{}).Source("app") }

func TestViolations(t *testing.T) {
	t.Parallel()
	none := esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return nil })
	for name, c := range map[string]struct {
		source func() sources.Source
		config esm.Config
		field  string
		bound  string
	}{
		"batch size above the maximum":        {sqsLike, esm.Config{BatchSize: 10_001, MaximumBatchingWindow: time.Second}, "BatchSize", "between 1 and 10000"},
		"batch size below the minimum":        {sqsLike, esm.Config{BatchSize: -1}, "BatchSize", "between 1 and 10000"},
		"batch size without window API-61":    {sqsLike, esm.Config{BatchSize: 11}, "MaximumBatchingWindow", "greater than 0 if BatchSize (11) is greater than 10"},
		"FIFO batch size API-78":              {fifo, esm.Config{BatchSize: 11}, "BatchSize", "between 1 and 10"},
		"FIFO window API-79":                  {fifo, esm.Config{MaximumBatchingWindow: time.Second}, "MaximumBatchingWindow", "not supported"},
		"UUID that leaves its folder":         {stream, esm.Config{UUID: ".."}, "UUID", "letters, digits"},
		"UUID with folders":                   {stream, esm.Config{UUID: "a/../b"}, "UUID", "letters, digits"},
		"UUID too long":                       {stream, esm.Config{UUID: strings.Repeat("u", 129)}, "UUID", "1 to 128"},
		"window too long":                     {sqsLike, esm.Config{MaximumBatchingWindow: 301 * time.Second}, "MaximumBatchingWindow", "between 0s and 5m0s"},
		"window negative":                     {sqsLike, esm.Config{MaximumBatchingWindow: -time.Second}, "MaximumBatchingWindow", "between 0s and 5m0s"},
		"timeout too long":                    {sqsLike, esm.Config{Timeout: 901 * time.Second}, "Timeout", "15m0s"},
		"timeout negative":                    {sqsLike, esm.Config{Timeout: -1}, "Timeout", "between"},
		"window of nanoseconds":               {sqsLike, esm.Config{MaximumBatchingWindow: 30}, "MaximumBatchingWindow", "30*time.Second"},
		"timeout of nanoseconds":              {sqsLike, esm.Config{Timeout: 30}, "Timeout", "30*time.Second"},
		"timeout below a millisecond":         {sqsLike, esm.Config{Timeout: time.Millisecond - 1}, "Timeout", "below 1ms"},
		"drain timeout negative":              {sqsLike, esm.Config{DrainTimeout: -2}, "DrainTimeout", "NoDrainTimeout"},
		"batch bytes too many":                {sqsLike, esm.Config{MaximumBatchBytes: 6_291_457}, "MaximumBatchBytes", "6291456"},
		"batch bytes too few":                 {sqsLike, esm.Config{MaximumBatchBytes: 5}, "MaximumBatchBytes", "between"},
		"concurrency too high":                {sqsLike, esm.Config{MaximumConcurrency: 1001}, "MaximumConcurrency", "between 0 and 1000"},
		"concurrency negative":                {sqsLike, esm.Config{MaximumConcurrency: -1}, "MaximumConcurrency", "between 0 and 1000"},
		"backoff upside down":                 {sqsLike, esm.Config{RetryBackoff: retry.Backoff{Initial: 2, Max: 1}}, "RetryBackoff", "Initial <= Max"},
		"retries on a queue SQS-50":           {sqsLike, esm.Config{MaximumRetryAttempts: new(1)}, "MaximumRetryAttempts", "redrive policy"},
		"age on a queue SQS-50":               {sqsLike, esm.Config{MaximumRecordAge: time.Hour}, "MaximumRecordAge", "redrive policy"},
		"bisect on a queue SQS-50":            {sqsLike, esm.Config{BisectBatchOnFunctionError: true}, "BisectBatchOnFunctionError", "redrive policy"},
		"destination on a queue DST-04":       {sqsLike, esm.Config{OnFailure: none}, "OnFailure", "redrive policy"},
		"destination timeout on a queue":      {sqsLike, esm.Config{OnFailureTimeout: time.Second}, "OnFailureTimeout", "redrive policy"},
		"destination timeout negative":        {stream, esm.Config{OnFailure: none, OnFailureTimeout: -2}, "OnFailureTimeout", "negative"},
		"destination timeout of nanoseconds":  {stream, esm.Config{OnFailure: none, OnFailureTimeout: 30}, "OnFailureTimeout", "30*time.Second"},
		"destination a nil function":          {stream, esm.Config{OnFailure: esm.DestinationFunc(nil)}, "OnFailure", "must be a destination"},
		"destination a nil pointer":           {stream, esm.Config{OnFailure: (*failures)(nil)}, "OnFailure", "must be a destination"},
		"destination that wraps none":         {stream, esm.Config{OnFailure: traced{}}, "OnFailure", "must be a destination"},
		"destination that wraps a nil one":    {stream, esm.Config{OnFailure: traced{(*failures)(nil)}}, "OnFailure", "must be a destination"},
		"destination timeout alone":           {stream, esm.Config{OnFailureTimeout: time.Second}, "OnFailureTimeout", "without OnFailure"},
		"factor on a queue":                   {sqsLike, esm.Config{ParallelizationFactor: 2}, "ParallelizationFactor", "ordered sources"},
		"buffer negative on a queue":          {sqsLike, esm.Config{MaximumBufferedBytes: -1}, "MaximumBufferedBytes", "greater than 0"},
		"factor too high KIN-06":              {stream, esm.Config{ParallelizationFactor: 11}, "ParallelizationFactor", "between 1 and 10"},
		"factor negative":                     {stream, esm.Config{ParallelizationFactor: -1}, "ParallelizationFactor", "between 1 and 10"},
		"retries too many KIN-08":             {stream, esm.Config{MaximumRetryAttempts: new(10_001)}, "MaximumRetryAttempts", "between -1 and 10000"},
		"retries negative":                    {stream, esm.Config{MaximumRetryAttempts: new(-2)}, "MaximumRetryAttempts", "between -1 and 10000"},
		"age too short KIN-07":                {stream, esm.Config{MaximumRecordAge: 59 * time.Second}, "MaximumRecordAge", "1m0s"},
		"age too long":                        {stream, esm.Config{MaximumRecordAge: 604_801 * time.Second}, "MaximumRecordAge", "168h0m0s"},
		"age negative":                        {stream, esm.Config{MaximumRecordAge: -time.Hour}, "MaximumRecordAge", "NoLimit"},
		"tumbling window on a queue":          {sqsLike, esm.Config{TumblingWindow: time.Second}, "TumblingWindow", "ordered sources"},
		"tumbling window too long KIN-11":     {stream, esm.Config{TumblingWindow: 901 * time.Second}, "TumblingWindow", "between 0s and 15m0s"},
		"tumbling window negative":            {stream, esm.Config{TumblingWindow: -time.Second}, "TumblingWindow", "between 0s and 15m0s"},
		"tumbling window of half seconds":     {stream, esm.Config{TumblingWindow: 1500 * time.Millisecond}, "TumblingWindow", "whole seconds"},
		"tumbling window with factor KIN-109": {stream, esm.Config{TumblingWindow: time.Second, ParallelizationFactor: 2}, "TumblingWindow", "ParallelizationFactor (2)"},
		"buffer negative":                     {stream, esm.Config{MaximumBufferedBytes: -1}, "MaximumBufferedBytes", "greater than 0"},
		"concurrency on a stream":             {stream, esm.Config{MaximumConcurrency: 2}, "MaximumConcurrency", "ParallelizationFactor"},
		"batch size above a stream's maximum": {stream, esm.Config{BatchSize: 10_001}, "BatchSize", "between 1 and 10000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := esm.New(c.source(), esm.Records(nothing), c.config)
			violations, ok := errors.AsType[*esm.ConfigError](err)
			if !ok {
				t.Fatalf("New: %v", err)
			}
			if len(violations.Violations) != 1 {
				t.Errorf("violations: %v", err)
			}
			v := violations.Violations[0]
			if v.Field != c.field || !strings.Contains(v.Bound, c.bound) || v.Value == "" {
				t.Errorf("got %+v, want field %s and a bound with %q", v, c.field, c.bound)
			}
			for _, part := range []string{v.Field, v.Value, v.Bound} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
}

func TestEveryViolationIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := esm.New(sqsLike(), esm.Handler{}, esm.Config{BatchSize: -3, Timeout: -1, DrainTimeout: -2})
	violations, _ := errors.AsType[*esm.ConfigError](err)
	var fields []string
	for _, v := range violations.Violations {
		fields = append(fields, v.Field)
	}
	if want := []string{"handler", "BatchSize", "Timeout", "DrainTimeout"}; !slices.Equal(fields, want) {
		t.Errorf("fields %v, want %v", fields, want)
	}
}

func TestNilArguments(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]esm.Handler{
		"zero":           {},
		"bytes":          esm.Bytes(nil),
		"typed":          esm.Typed[any](nil),
		"typed response": esm.TypedResponse[any, any](nil),
		"records":        esm.Records(nil),
	} {
		if _, err := esm.New(sqsLike(), h, esm.Config{}); err == nil || !strings.Contains(err.Error(), "handler is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := esm.New(nil, esm.Records(nothing), esm.Config{}); err == nil || !strings.Contains(err.Error(), "source is nil") {
		t.Errorf("nil source: %v", err)
	}
}

func TestSourceWithoutDocumentsServesRecordsOnly(t *testing.T) {
	t.Parallel()
	source := bare{memory.NewQueue(memory.QueueOptions{}).Source()}
	if _, err := esm.New(source, esm.Typed(func(context.Context, any) error { return nil }), esm.Config{}); err == nil {
		t.Error("a typed handler was accepted")
	}
	if _, err := esm.New(source, esm.Records(nothing), esm.Config{}); err != nil {
		t.Errorf("a records handler: %v", err)
	}
}

func TestBareSourceIsServed_P1(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(25)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, bare{q.Source()}, j.handler(nil), j.config(esm.Config{})))
		equal(t, "deleted", q.Deleted(), 25)
	})
}

func TestEdgesAreAccepted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source sources.Source
		config esm.Config
	}{
		"zero on SQS":      {sqsLike(), esm.Config{}},
		"zero on FIFO":     {fifo(), esm.Config{}},
		"zero on a stream": {stream(), esm.Config{}},
		"SQS maximum": {sqsLike(), esm.Config{
			BatchSize: 10_000, MaximumBatchingWindow: 300 * time.Second, MaximumConcurrency: 1000, Timeout: 900 * time.Second,
		}},
		"no window by name": {sqsLike(), esm.Config{MaximumBatchingWindow: esm.NoBatchingWindow}},
		"one lane":          {sqsLike(), esm.Config{MaximumConcurrency: 1}},
		"stream maximum": {stream(), esm.Config{
			BatchSize: 10_000, ParallelizationFactor: 10, MaximumRetryAttempts: new(10_000), MaximumRecordAge: 604_800 * time.Second,
		}},
		"stream minimum": {stream(), esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(esm.NoLimit), MaximumRecordAge: esm.NoLimit, MaximumBufferedBytes: 1,
			MaximumBatchingWindow: time.Millisecond, Timeout: time.Millisecond, DrainTimeout: 1,
		}},
		"no limit for a destination": {stream(), esm.Config{
			OnFailure: esm.DestinationFunc(down), OnFailureTimeout: esm.NoLimit, DrainTimeout: esm.NoDrainTimeout,
		}},
		"buffer of a queue":    {sqsLike(), esm.Config{MaximumBufferedBytes: 2}},
		"stream without retry": {stream(), esm.Config{MaximumRetryAttempts: new(0), MaximumRecordAge: time.Minute}},
	} {
		if _, err := esm.New(c.source, esm.Records(nothing), c.config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
