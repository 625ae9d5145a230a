package sqstest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// FuzzWire makes any calls: see [wiretest.Fuzz]. Times are in tenths of a second,
// $q, $f and $d are the URLs of a standard, a FIFO and a dead-letter queue, $0 to
// $9 receipt handles. The counts stay right.
func FuzzWire(f *testing.F) {
	f.Add("AmazonSQS.SendMessage", []byte(`{"QueueUrl":"q"}`), int64(16), `SendMessage {"QueueUrl":"$q","MessageBody":"a"}
ReceiveMessage {"QueueUrl":"$q","WaitTimeSeconds":20}
ChangeMessageVisibility {"QueueUrl":"$q","ReceiptHandle":"$0","VisibilityTimeout":0}
ReceiveMessage {"QueueUrl":"$q","MessageSystemAttributeNames":["All"],"MessageAttributeNames":["a.*","All"]}
DeleteMessage {"QueueUrl":"$q","ReceiptHandle":"$1"}
DeleteMessage {"QueueUrl":"$f","ReceiptHandle":"$1"}`)
	f.Add("", []byte(nil), int64(-1), `SendMessageBatch {"QueueUrl":"$f","Entries":[{"Id":"a","MessageBody":"x","MessageGroupId":"g"},{"Id":"b","MessageBody":"x","MessageGroupId":"h"},{"Id":"c","MessageBody":"y","MessageGroupId":"g","MessageDeduplicationId":"1"}]}
ReceiveMessage {"QueueUrl":"$f","MaxNumberOfMessages":10,"VisibilityTimeout":0}
ReceiveMessage {"QueueUrl":"$f","MaxNumberOfMessages":2,"VisibilityTimeout":3}
40
DeleteMessageBatch {"QueueUrl":"$f","Entries":[{"Id":"a","ReceiptHandle":"$2"},{"Id":"b","ReceiptHandle":"$3"}]}
ReceiveMessage {"QueueUrl":"$f","WaitTimeSeconds":1}
PurgeQueue {"QueueUrl":"$f"}`)
	f.Add("AmazonSQS.\n\x00", []byte(`[`), int64(1<<40), `CreateQueue {"QueueName":"d","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:d\",\"maxReceiveCount\":\"1\"}"}}
SetQueueAttributes {"QueueUrl":"$q","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:q\",\"maxReceiveCount\":1}","VisibilityTimeout":"0"}}
SendMessage {"QueueUrl":"$q","MessageBody":"a","DelaySeconds":1,"MessageAttributes":{"n":{"DataType":"Binary","BinaryValue":"AAE=","StringValue":"x"}}}
ReceiveMessage {"QueueUrl":"$q","WaitTimeSeconds":3}
ReceiveMessage {"QueueUrl":"$q","WaitTimeSeconds":3,"MaxNumberOfMessages":9}
GetQueueAttributes {"QueueUrl":"$q","AttributeNames":["All"]}
ListQueues {"MaxResults":1,"NextToken":"/"}
DeleteQueue {"QueueUrl":"$q"}
ReceiveMessage {"QueueUrl":"$q","WaitTimeSeconds":20}
GetQueueUrl {"QueueName":"f.fifo","QueueOwnerAWSAccountId":"\u0000"}`)
	wiretest.Fuzz(f, func(t *testing.T) *wiretest.Caller {
		t.Helper()
		server := sqstest.New()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		urls := make(map[string]string)
		queues := map[string]string{"$q": "q", "$f": "f.fifo", "$d": "dead"}
		for name, queue := range queues {
			attributes := map[string]string{"VisibilityTimeout": "30"}
			if name == "$f" {
				attributes = fifo()
			}
			url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:"+queue, attributes)
			if err != nil {
				t.Fatal(err)
			}
			urls[name] = url
		}
		return &wiretest.Caller{
			T: t, Server: server, Target: "AmazonSQS.", ContentType: "application/x-amz-json-1.0",
			Unit: 100 * time.Millisecond, Names: urls,
			Answered: func(answer map[string]any) []string { return handles(t, answer) },
			Failed: func(h http.Header, kind string) {
				code, fault, _ := strings.Cut(h.Get("X-Amzn-Query-Error"), ";")
				if !strings.Contains(kind, "#") || code == "" || fault != "Sender" && fault != "Receiver" {
					t.Fatalf("error %s, header %v", kind, h)
				}
			},
			End: func() {
				for _, queue := range queues {
					count(t, server, queue)
				}
			},
		}
	})
}

// handles are the receipt handles of an answer.
func handles(t *testing.T, answer map[string]any) []string {
	t.Helper()
	messages, _ := answer["Messages"].([]any)
	if len(messages) > 10 {
		t.Fatalf("%d messages of one receive", len(messages))
	}
	var list []string
	for _, m := range messages {
		handle, _ := m.(map[string]any)["ReceiptHandle"].(string)
		list = append(list, handle)
	}
	return list
}

// count looks that the counts of a queue are those of its messages.
func count(t *testing.T, server *sqstest.Server, queue string) {
	t.Helper()
	counts, messages := server.Counts(queue), server.Messages(queue)
	hidden, flying := 0, 0
	for _, m := range messages {
		if m.InFlight {
			flying++
		} else if !m.Due.IsZero() {
			hidden++
		}
	}
	if counts.Visible != len(messages)-hidden-flying || counts.InFlight != flying || counts.Delayed != hidden {
		t.Fatalf("%s: %+v of messages %+v", queue, counts, messages)
	}
}
