package sqstest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// caller makes calls by hand.
type caller struct {
	t       *testing.T
	server  *sqstest.Server
	handles []string
}

// call makes one call and holds the answer to the protocol.
func (c *caller) call(target string, body io.Reader, length int64) {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://sqs.test/", body)
	r.ContentLength = length
	r.Header["X-Amz-Target"] = []string{target}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer == nil {
		c.t.Fatalf("%s: answer %q: %v", target, w.Body, err)
	}
	h := w.Header()
	if h.Get("Content-Type") != "application/x-amz-json-1.0" || h.Get("X-Amzn-Requestid") == "" ||
		h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
		c.t.Fatalf("%s: header %v of an answer of %d bytes", target, h, w.Body.Len())
	}
	if w.Code == http.StatusOK {
		c.keep(answer)
		return
	}
	kind, _ := answer["__type"].(string)
	_, isText := answer["message"].(string)
	code, fault, _ := strings.Cut(h.Get("X-Amzn-Query-Error"), ";")
	if w.Code < 400 || w.Code > 599 || !strings.Contains(kind, "#") || !isText || len(answer) != 2 ||
		code == "" || fault != "Sender" && fault != "Receiver" {
		c.t.Fatalf("%s: status %d, header %v, answer %s", target, w.Code, h, w.Body)
	}
}

// keep keeps the receipt handles of an answer, and looks at its messages.
func (c *caller) keep(answer map[string]any) {
	messages, _ := answer["Messages"].([]any)
	if len(messages) > 10 {
		c.t.Fatalf("%d messages of one receive", len(messages))
	}
	for _, m := range messages {
		handle, _ := m.(map[string]any)["ReceiptHandle"].(string)
		c.handles = append(c.handles, handle)
	}
}

// count looks that the counts of a queue are those of its messages.
func (c *caller) count(queue string) {
	counts, messages := c.server.Counts(queue), c.server.Messages(queue)
	hidden, flying := 0, 0
	for _, m := range messages {
		if m.InFlight {
			flying++
		} else if !m.Due.IsZero() {
			hidden++
		}
	}
	if counts.Visible != len(messages)-hidden-flying || counts.InFlight != flying || counts.Delayed != hidden {
		c.t.Fatalf("%s: %+v of messages %+v", queue, counts, messages)
	}
}

// FuzzWire makes any call at first, and then those of a script: a line is an
// action and its JSON, or a time to wait in tenths of a second. $q, $f and $d
// are the URLs of a standard, a FIFO and a dead-letter queue, $0 to $9 receipt
// handles. Nothing panics and nothing hangs, every answer is one that the SDK
// can read, and the counts stay right.
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
	f.Fuzz(func(t *testing.T, target string, body []byte, length int64, script string) {
		synctest.Test(t, func(t *testing.T) {
			server := sqstest.New()
			defer func() {
				if err := server.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			queues := []string{"$q", "q", "$f", "f.fifo", "$d", "dead"}
			for i := 1; i < len(queues); i += 2 {
				attributes := map[string]string{"VisibilityTimeout": "30"}
				if queues[i] == "f.fifo" {
					attributes = fifo()
				}
				url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:"+queues[i], attributes)
				if err != nil {
					t.Fatal(err)
				}
				queues[i] = url
			}
			c := &caller{t: t, server: server}
			c.call(target, bytes.NewReader(body), length)
			c.call(target, bytes.NewReader(body), int64(len(body)))
			c.call(target, iotest.ErrReader(errors.New("gone")), int64(len(body)))
			fill := strings.NewReplacer(queues...)
			for i, line := range strings.SplitN(script, "\n", 30) {
				if tenths, err := strconv.Atoi(line); err == nil {
					time.Sleep(time.Duration(min(max(tenths, 0), 1e6)) * 100 * time.Millisecond)
					continue
				}
				action, text, _ := strings.Cut(line, " ")
				text = fill.Replace(text)
				for i, handle := range c.handles[:min(len(c.handles), 10)] {
					text = strings.ReplaceAll(text, "$"+strconv.Itoa(i), handle)
				}
				c.call("AmazonSQS."+action, strings.NewReader(text), int64(len(text)))
				if i == 29 {
					break
				}
			}
			for i := 1; i < len(queues); i += 2 {
				c.count(queues[i])
			}
		})
	})
}
