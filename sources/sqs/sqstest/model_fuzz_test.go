package sqstest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// queueModel is a queue as one list of messages.
type queueModel struct {
	fifo     bool
	life     int // receives before the dead-letter queue
	messages []*messageModel
	dead     []string
	receipts []receiptModel
}

type messageModel struct {
	body, group string
	receives    int
	flying      bool      // received, and its visibility timeout is not over
	due         time.Time // when it is to be had again
	gone        bool
}

// receiptModel is a receipt handle that was given out.
type receiptModel struct {
	handle  string
	message *messageModel
	receive int
}

func (m *queueModel) settle(now time.Time) {
	for _, x := range m.messages {
		if x.flying && !x.due.After(now) {
			x.flying = false
		}
	}
}

func (m *queueModel) drop(x *messageModel) {
	x.gone = true
	m.messages = slices.DeleteFunc(m.messages, func(other *messageModel) bool { return other == x })
}

// next is the first message that may be handed out. A FIFO queue goes on with
// the group that the receive is at, and takes no other that has messages in
// flight (SQS-32).
func (m *queueModel) next(now time.Time, at *messageModel) *messageModel {
	free := func(x *messageModel) bool { return !x.flying && !x.due.After(now) }
	if at != nil && m.fifo {
		for _, x := range m.messages {
			if x.group == at.group && free(x) {
				return x
			}
		}
	}
	for _, x := range m.messages {
		held := slices.ContainsFunc(m.messages, func(other *messageModel) bool { return other.group == x.group && other.flying })
		if free(x) && (!m.fifo || !held) {
			return x
		}
	}
	return nil
}

func (m *queueModel) receive(n int, now time.Time, hidden time.Duration) []string {
	var bodies []string
	for x := m.next(now, nil); x != nil && len(bodies) < n; x = m.next(now, x) {
		if x.receives == m.life {
			m.dead = append(m.dead, x.body)
			m.drop(x)
			continue
		}
		x.receives++
		x.flying, x.due = true, now.Add(hidden)
		bodies = append(bodies, x.body)
	}
	return bodies
}

// delete tells whether it is accepted, which is always in a standard queue.
func (m *queueModel) delete(r receiptModel) bool {
	latest := r.receive == r.message.receives
	switch {
	case r.message.gone:
		return true
	case m.fifo && (!latest || !r.message.flying):
		return false
	case latest:
		m.drop(r.message)
	}
	return true
}

func (m *queueModel) change(r receiptModel, now time.Time, hidden time.Duration) bool {
	if r.message.gone || r.receive != r.message.receives || !r.message.flying {
		return false
	}
	r.message.due = now.Add(hidden)
	m.settle(now)
	return true
}

func (m *queueModel) find(body string) *messageModel {
	i := slices.IndexFunc(m.messages, func(x *messageModel) bool { return x.body == body })
	if i < 0 {
		return nil
	}
	return m.messages[i]
}

// act makes a call and returns its answer, and whether it was accepted.
func act(t *testing.T, server *sqstest.Server, action string, fields map[string]any) (answer map[string]any, ok bool) {
	t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sqs.test/", strings.NewReader(string(body)))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer, w.Code == http.StatusOK
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzModel sends, receives, deletes, changes and waits in any order, and
// compares every answer with the model's. Two bytes are one step.
func FuzzModel(f *testing.F) {
	f.Add(false, []byte{0, 1, 0, 2, 1, 0x0a, 4, 30, 1, 0x0b, 2, 0, 2, 1, 3, 2, 4, 255, 1, 0x09})
	f.Add(true, []byte{0, 1, 0, 2, 0, 1, 1, 0x28, 1, 0x29, 2, 1, 3, 0, 4, 50, 1, 0x29, 2, 0, 1, 0x29})
	f.Add(true, []byte{0, 0, 0, 0, 1, 0, 3, 0, 1, 0, 3, 1, 1, 0, 3, 2, 1, 9, 1, 9})
	for seed := range byte(16) {
		f.Add(seed%2 == 0, noise(seed, 120))
	}
	f.Fuzz(func(t *testing.T, first bool, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			server := sqstest.New()
			defer func() { _ = server.Close() }()
			m := &queueModel{fifo: first, life: 3}
			name, attributes := "q", map[string]string{}
			if first {
				name, attributes = "q.fifo", fifo()
			}
			const prefix = "arn:aws:sqs:eu-west-1:123456789012:"
			if _, err := server.AddQueue(prefix+"dead-"+name, attributes); err != nil {
				t.Fatal(err)
			}
			attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":"%sdead-%s","maxReceiveCount":3}`, prefix, name)
			url, err := server.AddQueue(prefix+name, attributes)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i+1 < min(len(steps), 120); i += 2 {
				m.step(t, server, url, i, steps[i]%5, int(steps[i+1]))
			}
			var bodies, dead []string
			for _, x := range m.messages {
				bodies = append(bodies, x.body)
			}
			for _, x := range server.Messages("dead-" + name) {
				dead = append(dead, x.Body)
			}
			slices.Sort(dead)
			slices.Sort(m.dead)
			if got := messageBodies(server.Messages(name)); !slices.Equal(got, bodies) || !slices.Equal(dead, m.dead) {
				t.Fatalf("left %q, dead %q; want %q, %q", got, dead, bodies, m.dead)
			}
		})
	})
}

func messageBodies(messages []sqstest.Message) []string {
	var bodies []string
	for _, m := range messages {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// step does one thing to both queues.
func (m *queueModel) step(t *testing.T, server *sqstest.Server, url string, i int, kind byte, value int) {
	t.Helper()
	now := time.Now()
	m.settle(now)
	fields := map[string]any{"QueueUrl": url}
	switch kind {
	case 0:
		x := &messageModel{body: strconv.Itoa(i)}
		if m.fifo {
			x.group = strconv.Itoa(value % 3)
			fields["MessageGroupId"] = x.group
		} else if value >= 128 {
			fields["DelaySeconds"] = value % 5
			x.due = now.Add(time.Duration(value%5) * time.Second)
		}
		fields["MessageBody"] = x.body
		m.messages = append(m.messages, x)
		if _, ok := act(t, server, "SendMessage", fields); !ok {
			t.Fatalf("step %d: refused", i)
		}
	case 1:
		n, seconds := 1+value%10, value/10%6
		fields["MaxNumberOfMessages"], fields["VisibilityTimeout"] = n, seconds
		answer, _ := act(t, server, "ReceiveMessage", fields)
		want := m.receive(n, now, time.Duration(seconds)*time.Second)
		list, _ := answer["Messages"].([]any)
		var got []string
		for _, row := range list {
			message := row.(map[string]any)
			body := message["Body"].(string)
			got = append(got, body)
			if x := m.find(body); x != nil {
				m.receipts = append(m.receipts, receiptModel{message["ReceiptHandle"].(string), x, x.receives})
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: received %q, want %q", i, got, want)
		}
	case 2, 3:
		if len(m.receipts) == 0 {
			return
		}
		r := m.receipts[value%len(m.receipts)]
		fields["ReceiptHandle"] = r.handle
		if kind == 2 {
			if _, ok := act(t, server, "DeleteMessage", fields); ok != m.delete(r) {
				t.Fatalf("step %d: deleted %v", i, ok)
			}
			return
		}
		seconds := value % 7
		fields["VisibilityTimeout"] = seconds
		if _, ok := act(t, server, "ChangeMessageVisibility", fields); ok != m.change(r, now, time.Duration(seconds)*time.Second) {
			t.Fatalf("step %d: changed %v", i, ok)
		}
	case 4:
		time.Sleep(time.Duration(value) * 100 * time.Millisecond)
	}
}
