package sqs_test

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// Traits of provisioned mode (ESM-111, ESM-113, SQS-25).
func TestTraitsOfProvisionedMode(t *testing.T) {
	t.Parallel()
	want := sources.Provisioned{
		MinimumPollers: sources.Bounds[int]{Default: 2, Max: 200},
		MaximumPollers: sources.Bounds[int]{Default: 200, Max: 10_000},
		Lanes:          10, PerMinute: 1000,
	}
	for _, arn := range []string{standardARN, fifoARN} {
		if got := newSource(t, newStub(arn), sqs.Options{}).Traits().Provisioned; got != want {
			t.Errorf("%s: %+v, want %+v", arn, got, want)
		}
	}
}

// Mapping refuses pollers out of range (ESM-111, ESM-114).
func TestMappingRefusesPollersOutOfRange(t *testing.T) {
	t.Parallel()
	const (
		minimum = "ProvisionedPollerConfig.MinimumPollers"
		maximum = "ProvisionedPollerConfig.MaximumPollers"
	)
	for _, test := range []struct {
		minimum, maximum, concurrency int
		want                          []string // fields; none if it is accepted
	}{
		{minimum: 2, maximum: 2},
		{minimum: 200, maximum: 10_000},
		{minimum: 1, want: []string{minimum}},
		{minimum: 201, want: []string{minimum}},
		{maximum: 1, want: []string{maximum}},
		{maximum: 10_001, want: []string{maximum}},
		{minimum: 3, maximum: 2, want: []string{maximum}},
		{minimum: 2, concurrency: 10, want: []string{"MaximumConcurrency"}},
	} {
		_, err := esm.New(newSource(t, newStub(standardARN), sqs.Options{}), (&world{}).journal(nil), esm.Config{
			ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: test.minimum, MaximumPollers: test.maximum},
			MaximumConcurrency:      test.concurrency,
			Logger:                  slog.New(slog.DiscardHandler),
		})
		var fields []string
		if invalid, ok := errors.AsType[*esm.ConfigError](err); ok {
			for _, v := range invalid.Violations {
				fields = append(fields, v.Field)
			}
		}
		if !slices.Equal(fields, test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Mapping in provisioned mode (SQS-25, P5).
func TestMappingInProvisionedMode(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"orders", "orders.fifo"} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			inWorld(t, queue, nil, func(t *testing.T, w *world) {
				const messages = 200
				bodies := numbers(messages)
				for _, body := range bodies {
					w.send(body, body) // a group each, which a FIFO queue needs for concurrency (SQS-24)
				}
				var gauge gauge
				r := w.run(w.journal(gauge.around(time.Second)), sqs.Options{}, esm.Config{
					BatchSize:               1,
					ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: 2, MaximumPollers: 3},
				})
				time.Sleep(time.Second / 2)

				// And those that come while nobody polls (SQS-25).
				if got := gauge.peak(); got < 20 || got > 29 {
					t.Errorf("%d batches at once at the start, want 20, and 8 more in half a second", got)
				}
				w.until(messages, time.Minute)
				if got := gauge.peak(); got != 30 {
					t.Errorf("%d batches at once at most, want 30", got)
				}
				r.end()
				w.once(bodies)
				w.left(sqstest.Counts{Deleted: messages})
			})
		})
	}
}
