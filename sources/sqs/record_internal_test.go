package sqs

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// TestSizeIsNotBelowTheTruth_P8 compares the cheap bound of a message's size
// with what the longest text that SQS allows comes to (P8, ESM-40).
func TestSizeIsNotBelowTheTruth(t *testing.T) {
	t.Parallel()
	worst := func(n int) *string { return aws.String(strings.Repeat("\x01", n)) }
	m := types.Message{
		MessageId: worst(100), ReceiptHandle: worst(1024), MD5OfBody: worst(32), Body: worst(1 << 20),
		Attributes: map[string]string{
			"ApproximateReceiveCount": "100", "SentTimestamp": "1763900000123", "ApproximateFirstReceiveTimestamp": "1763900000130",
			"SenderId": *worst(128), "MessageGroupId": *worst(128), "MessageDeduplicationId": *worst(128),
			"SequenceNumber": "18890000000000000001",
		},
	}
	var x scratch
	x.read(&m)
	arn := "arn:aws:sqs:eu-west-1:123456789012:" + strings.Repeat("q", 80)
	size := eventjson.NewSQS(eventSource, arn, "eu-west-1").Size(&x.message) + 1
	if bound := atMost(&m); bound < size || bound > size+32<<10 {
		t.Errorf("bound %d, size %d", bound, size)
	}
	for name, value := range map[string]string{"AWSTraceHeader": "Root=1-5759e988", "Unknown": "x"} {
		m.Attributes[name] = value
		if got := atMost(&m); got != 0 {
			t.Errorf("with %s: bound %d, want it to be measured", name, got)
		}
		delete(m.Attributes, name)
	}
	m.MessageAttributes = map[string]types.MessageAttributeValue{"a": {}}
	if got := atMost(&m); got != 0 {
		t.Errorf("with attributes: bound %d, want it to be measured", got)
	}
}
