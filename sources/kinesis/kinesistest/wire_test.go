package kinesistest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// start starts a fake with the stream s and its consumer c.
func start(t *testing.T, shards int) (server *kinesistest.Server, consumer string) {
	t.Helper()
	server = kinesistest.New()
	if err := server.AddStream("s", shards); err != nil {
		t.Fatal(err)
	}
	consumer, err := server.AddConsumer("s", "c")
	if err != nil {
		t.Fatal(err)
	}
	return server, consumer
}

// TestWire holds the fake to what all of them promise, by what is put, with the
// errors of the service (KIN-33).
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, func(t *testing.T) wiretest.Subject[kinesistest.Call, kinesistest.Fault] {
		server, _ := start(t, 1)
		client := server.Client()
		return wiretest.Subject[kinesistest.Call, kinesistest.Fault]{
			Fake: server, SetGate: func(g wirefake.Gate[kinesistest.Call, kinesistest.Fault]) { server.SetGate(g) },
			Action: "PutRecord",
			Call: func(ctx context.Context) error {
				_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: new("s"), PartitionKey: new("k"), Data: []byte("x")})
				return err
			},
			Effects: func() int { return len(server.Records("s", first)) },
			Fault: func(p wirefake.Plan) kinesistest.Fault {
				err, _ := errors.AsType[*kinesistest.Error](p.Err)
				return kinesistest.Fault{Err: err, Cut: kinesistest.Cut(p.Cut), Delay: p.Delay}
			},
			Number: func(c kinesistest.Call) int { return c.Number },
			Errors: []wiretest.Failure{
				{Err: kinesistest.ProvisionedThroughputExceeded(), Code: "ProvisionedThroughputExceededException", Status: http.StatusBadRequest},
				{Err: kinesistest.LimitExceeded(), Code: "LimitExceededException", Status: http.StatusBadRequest},
				{Err: kinesistest.ThrottlingException(), Code: "ThrottlingException", Status: http.StatusBadRequest},
				{Err: kinesistest.InternalFailure(), Code: "InternalFailure", Status: http.StatusInternalServerError},
				{Err: kinesistest.ServiceUnavailable(), Code: "ServiceUnavailableException", Status: http.StatusServiceUnavailable},
				{Err: kinesistest.AccessDenied(), Code: "AccessDeniedException", Status: http.StatusBadRequest},
				{Err: kinesistest.ExpiredIterator(), Code: "ExpiredIteratorException", Status: http.StatusBadRequest},
				{Err: kinesistest.ResourceNotFound(), Code: "ResourceNotFoundException", Status: http.StatusBadRequest},
				{Err: kinesistest.ResourceInUse(), Code: "ResourceInUseException", Status: http.StatusBadRequest},
				{Err: kinesistest.KMSThrottling(), Code: "KMSThrottlingException", Status: http.StatusBadRequest},
				{Err: &kinesistest.Error{Status: http.StatusBadRequest, Type: "KMSDisabledException"}, Code: "KMSDisabledException", Status: http.StatusBadRequest},
			},
		}
	})
}
