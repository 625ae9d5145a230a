package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/events"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// worker is what would be a process: all that it reaches, it reaches by itself, and
// by nothing once it is dead.
type worker struct {
	name  string
	wire  http.RoundTripper
	store checkpoint.Store
	plant *plant
	dead  atomic.Bool
}

var errDead = errors.New("the process is dead")

func (w *worker) kill() { w.dead.Store(true) }

// client is an SDK client over the worker's own wire.
func (w *worker) client(server *kinesistest.Server) *awskinesis.Client {
	return server.Client(func(o *awskinesis.Options) { o.HTTPClient = &http.Client{Transport: w} })
}

// RoundTrip is the wire to the stream.
func (w *worker) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.dead.Load() {
		return nil, errDead
	}
	return w.wire.RoundTrip(r)
}

// Leases, Create, Update and Delete are the wire to the store.
func (w *worker) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if w.dead.Load() {
		return nil, errDead
	}
	return w.store.Leases(ctx)
}

func (w *worker) Create(ctx context.Context, lease checkpoint.Lease) error {
	if w.dead.Load() {
		return errDead
	}
	return w.store.Create(ctx, lease)
}

func (w *worker) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if w.dead.Load() {
		return errDead
	}
	return w.store.Update(ctx, last, next)
}

func (w *worker) Delete(ctx context.Context, last checkpoint.Lease) error {
	if w.dead.Load() {
		return errDead
	}
	return w.store.Delete(ctx, last)
}

// handle is an ordinary Lambda handler for Kinesis events.
func (w *worker) handle(_ context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error) {
	var response events.KinesisEventResponse
	if w.dead.Load() {
		return response, errDead
	}
	shard, _, _ := strings.Cut(event.Records[0].EventID, ":")
	w.plant.reads(w.name, shard)
	for _, record := range event.Records {
		if !w.plant.take(record.Kinesis.PartitionKey, string(record.Kinesis.Data)) {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.KinesisBatchItemFailure{ItemIdentifier: record.Kinesis.SequenceNumber})
			break // what comes behind it is retried too
		}
	}
	return response, nil
}

// failed is the destination of records that were given up.
func (w *worker) failed(_ context.Context, failure *esm.FailureRecord) error {
	if w.dead.Load() {
		return errDead
	}
	for i := range failure.Records {
		w.plant.giveUp(failure.Records[i].Key, string(failure.Records[i].Data))
	}
	w.plant.sayf("%s gives up %d record: %s", w.name, len(failure.Records), failure.Condition)
	return nil
}
