package rabbitmq_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

type rabbitmqLogin = rabbitmq.Login

// bytesRunning is a mapping whose handler takes event documents.
type bytesRunning struct {
	*running
	mu  sync.Mutex
	all []string
}

type invoker func(ctx context.Context, payload []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// runBytes runs a mapping whose handler answers each document with the same.
func (s *site) runBytes(answer string) *bytesRunning {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &bytesRunning{running: &running{s: s, cancel: cancel, ended: make(chan error, 1)}}
	counts := map[esm.Metric]int{}
	var mu sync.Mutex
	b.counts = func(m esm.Metric) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[m]
	}
	mapping, err := esm.New(s.source(), esm.Bytes(invoker(func(_ context.Context, payload []byte) ([]byte, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.all = append(b.all, string(payload))
		return []byte(answer), nil
	})), esm.Config{
		Logger: slog.New(slog.NewTextHandler(s.log, nil)),
		Observer: func(o esm.Observation) {
			mu.Lock()
			defer mu.Unlock()
			counts[o.Metric] += o.Count
		},
	})
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	go func() { b.ended <- mapping.Run(ctx) }()
	return b
}

func (b *bytesRunning) documents() []string {
	b.running.mu.Lock()
	defer b.running.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.all...)
}

// The document of a dead letter, with headers of every AMQP type, as they come from the
// broker (MQ-70..85).
func deadLetterDocuments(s *site) {
	s.queues(rabbitmqtest.QueueOptions{})
	at := time.Unix(1763900000, 0).UTC()
	s.publish(s.queue, amqp.Publishing{
		Body: []byte(`{"sku":"A1"}`), ContentType: "application/json", DeliveryMode: 2, Priority: 3, CorrelationId: "job-5",
		MessageId: "m-1", Timestamp: at, Type: "order", AppId: "shop", ReplyTo: "answers",
		Headers: amqp.Table{
			"text": "v1", "binary": []byte{1, 254}, "byte": int8(-7), "octet": byte(200), "short": int16(-300), "int": int32(10),
			"long": int64(1) << 40, "yes": true, "float": float32(0.5), "double": 1.5, "decimal": amqp.Decimal{Scale: 2, Value: 12345},
			"void": nil, "at": at, "table": amqp.Table{"a": "b"}, "list": []any{int32(1), "x", amqp.Table{"y": int32(2)}},
		},
	})
	r := s.runBytes("")
	s.eventually("it is settled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
	if err := r.stop(); err != nil {
		s.t.Error(err)
	}
	got := r.documents()[0]
	want := `{"eventSource":"aws:rmq","eventSourceArn":"` + s.options.ARN + `","rmqMessagesByQueue":{"` + s.queue + `::/":[` +
		`{"basicProperties":{"contentType":"application/json","contentEncoding":null,"headers":{` +
		`"at":"Nov 23, 2025, 12:13:20 PM","binary":[1,-2],"byte":-7,"decimal":123.45,"double":1.5,"float":0.5,"int":10,` +
		`"list":[1,{"bytes":[120]},{"y":2}],"long":1099511627776,"octet":200,"short":-300,"table":{"a":{"bytes":[98]}},` +
		`"text":{"bytes":[118,49]},"void":null,"yes":true},` +
		`"deliveryMode":2,"priority":3,"correlationId":"job-5","replyTo":"answers","expiration":null,"messageId":"m-1",` +
		`"timestamp":"Nov 23, 2025, 12:13:20 PM","type":"order","userId":null,"appId":"shop","clusterId":null,"bodySize":12},` +
		`"redelivered":false,"data":"eyJza3UiOiJBMSJ9"}]}}`
	if got != want || !json.Valid([]byte(got)) {
		s.t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(s.log.String(), "A1") {
		s.t.Error("the log has a body")
	}
}
