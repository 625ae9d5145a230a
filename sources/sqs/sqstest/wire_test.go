package sqstest_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake"
	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

const arn = "arn:aws:sqs:eu-west-1:123456789012:q"

// start starts a fake with the queue q.
func start(t *testing.T, attributes map[string]string) (server *sqstest.Server, url string) {
	t.Helper()
	server = sqstest.New()
	url, err := server.AddQueue(arn, attributes)
	if err != nil {
		t.Fatal(err)
	}
	return server, url
}

// TestWire holds the fake to what all of them promise, by what is sent.
func TestWire(t *testing.T) {
	t.Parallel()
	wiretest.Run(t, func(t *testing.T) wiretest.Subject[sqstest.Call, sqstest.Fault] {
		server, url := start(t, nil)
		client, body := server.Client(), "a"
		return wiretest.Subject[sqstest.Call, sqstest.Fault]{
			Fake: server, SetGate: func(g wirefake.Gate[sqstest.Call, sqstest.Fault]) { server.SetGate(g) },
			Action: "SendMessage",
			Call: func(ctx context.Context) error {
				_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
				return err
			},
			Effects: func() int { return len(server.Messages("q")) },
			Fault: func(p wirefake.Plan) sqstest.Fault {
				err, _ := errors.AsType[*sqstest.Error](p.Err)
				return sqstest.Fault{Err: err, Cut: sqstest.Cut(p.Cut), Delay: p.Delay}
			},
			Number: func(c sqstest.Call) int { return c.Number },
			Errors: []wiretest.Failure{
				{Err: sqstest.RequestThrottled(), Code: "RequestThrottled", Status: http.StatusBadRequest},
				{Err: sqstest.ThrottlingException(), Code: "ThrottlingException", Status: http.StatusBadRequest},
				{Err: sqstest.InternalFailure(), Code: "InternalFailure", Status: http.StatusInternalServerError},
				{Err: sqstest.ServiceUnavailable(), Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable},
				{Err: sqstest.AccessDenied(), Code: "AccessDenied", Status: http.StatusForbidden},
				{Err: sqstest.OverLimit(), Code: "OverLimit", Status: http.StatusForbidden},
				{Err: sqstest.QueueDoesNotExist(), Code: "AWS.SimpleQueueService.NonExistentQueue", Status: http.StatusBadRequest},
				{Err: sqstest.ReceiptHandleIsInvalid(), Code: "ReceiptHandleIsInvalid", Status: http.StatusBadRequest},
			},
		}
	})
}
