package destinationtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

// Kind is a kind of destination under test.
type Kind struct {
	Wire Wire
	// New makes the destination with a client that makes its calls over http to
	// url, and does not try again.
	New func(http *http.Client, url string) (esm.Destination, error)
	// Missing is the error code of a target that does not exist, Denied that of a
	// caller who may not, and Permission what the error must name then.
	Missing, Denied, Permission string
	// CheckDenied says that a caller whose check is denied may not deliver.
	CheckDenied bool
	// Payload is the form in which the event document comes along.
	Payload esm.Payload
	// Limit is the longest document that the service takes; 0 for no limit that
	// matters.
	Limit int
	// Place is what Wire's place looks like, with requestId in place of the
	// record's own; "" if it does not vary.
	Place string
}

// Run tests a kind of destination. Each case is a bubble of its own.
func Run(t *testing.T, kind Kind) {
	t.Helper()
	for name, c := range map[string]func(*testing.T, Kind){
		"document":        document,
		"missing":         trouble(Trouble{Status: http.StatusNotFound, Code: kind.Missing}, kind.Missing),
		"forbidden":       trouble(Trouble{Status: http.StatusForbidden, Code: kind.Denied}, kind.Permission),
		"key forbidden":   trouble(Trouble{Status: http.StatusBadRequest, Code: "KMSAccessDeniedException"}, "kms:Decrypt on the KMS key"),
		"throttled":       trouble(Trouble{Status: http.StatusBadRequest, Code: "ThrottlingException"}, "ThrottlingException"),
		"out of order":    trouble(Trouble{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}, "ServiceUnavailable"),
		"empty answer":    trouble(Trouble{Empty: true}, "the answer"),
		"connection cut":  trouble(Trouble{Cut: true}, ""),
		"answer lost":     trouble(Trouble{Lose: true}, ""),
		"hangs":           trouble(Trouble{Delay: time.Hour}, "not answered within"),
		"hangs for all":   hangs,
		"slow":            slow,
		"large":           large,
		"too large":       tooLarge,
		"parts":           parts,
		"many, both ways": many,

		"check: missing":      check(Trouble{Status: http.StatusNotFound, Code: kind.Missing}, true, "unusable"),
		"check: forbidden":    check(Trouble{Status: http.StatusForbidden, Code: kind.Denied}, kind.CheckDenied, ""),
		"check: out of order": check(Trouble{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}, false, "ServiceUnavailable"),
		"check: connection":   check(Trouble{Cut: true}, false, "EOF"),
		"check: hangs":        check(Trouble{Delay: time.Hour}, false, "not answered within 10s"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { c(t, kind) })
		})
	}
}

// world is a fake service, and a stream whose records fail.
type world struct {
	t       *testing.T
	service *service
	stream  *memory.Stream
	config  esm.Config

	mu     sync.Mutex
	errs   []error
	counts map[esm.Metric]int
}

const function = "arn:aws:lambda:eu-west-1:123456789012:function:consumer"

func newWorld(t *testing.T, kind Kind, trouble func(call int) Trouble) *world {
	t.Helper()
	w := &world{
		t: t, service: &service{wire: kind.Wire, trouble: trouble},
		stream: memory.NewStream(memory.StreamOptions{Name: "telemetry"}), counts: make(map[esm.Metric]int),
	}
	server := memhttp.New(w.service)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	destination, err := kind.New(server.Client(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	w.config = esm.Config{
		FunctionARN: function, UUID: "5f0c1a2b-0000-4000-8000-000000000001", OnFailure: destination,
		MaximumRetryAttempts: new(0), BatchSize: 1,
		Logger: slog.New(slog.DiscardHandler), Observer: w.observe, Jitter: func() float64 { return 0.5 },
	}
	return w
}

func (w *world) observe(o esm.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[o.Metric] += o.Count
	if o.Metric == esm.OnFailureDestinationDeliveryErrorCount {
		w.errs = append(w.errs, o.Err)
	}
}

var errPoison = errors.New("poison")

// run puts records, of which poison fails, and handles them all.
func (w *world) run(bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		w.stream.Put("device-17", []byte(body))
	}
	w.stream.End()
	w.handle(w.stream.Source("app"))
}

// handle handles what the source has.
func (w *world) handle(source sources.Source) {
	w.t.Helper()
	if err := w.start(source); err != nil {
		w.t.Errorf("Run: %v", err)
	}
	if lag := w.stream.Lag("app"); lag != 0 {
		w.t.Errorf("%d records are not passed", lag)
	}
}

// start runs a mapping of the source.
func (w *world) start(source sources.Source) error {
	w.t.Helper()
	mapping, err := esm.New(source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		if slices.ContainsFunc(records, func(r sources.Record) bool { return strings.HasPrefix(string(r.Data), "poison") }) {
			return esm.Response{}, errPoison
		}
		return esm.Response{}, nil
	}), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return mapping.Run(w.t.Context())
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// wanted is the document of DST-10, with a payload where kind has one.
func wanted(t *testing.T, kind Kind, data string) string {
	t.Helper()
	const event = `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"device-17","sequenceNumber":"1",` +
		`"data":"DATA","approximateArrivalTimestamp":946684800},"eventSource":"aws:kinesis","eventVersion":"1.0",` +
		`"eventID":"shardId-000000000000:1","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/memory",` +
		`"awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry"}]}`
	text := `{"requestContext":{"requestId":"ID","functionArn":"` + function + `",` +
		`"condition":"RetryAttemptsExhausted","approximateInvokeCount":1},` +
		`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
		`"version":"1.0","timestamp":"2000-01-01T00:00:00.000Z",` +
		`"KinesisBatchInfo":{"shardId":"shardId-000000000000","startSequenceNumber":"1","endSequenceNumber":"1",` +
		`"approximateArrivalOfFirstRecord":"2000-01-01T00:00:00.000Z","approximateArrivalOfLastRecord":"2000-01-01T00:00:00.000Z",` +
		`"batchSize":1,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry"}`
	payload := strings.Replace(event, "DATA", data, 1)
	switch kind.Payload {
	case esm.NoPayload:
	case esm.ObjectPayload:
		text += `,"payload":` + payload
	case esm.TextPayload:
		quoted, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		text += `,"payload":` + string(quoted)
	}
	return text + "}"
}

// document holds the one document delivered to the one documented, byte for byte.
func document(t *testing.T, kind Kind) {
	t.Helper()
	w := newWorld(t, kind, nil)
	w.run("poison", "well")
	documents, places, _ := w.service.got()
	if len(documents) != 1 {
		t.Fatalf("delivered: %q", documents)
	}
	id := uuid.FindString(documents[0])
	if got, want := strings.ReplaceAll(documents[0], id, "ID"), wanted(t, kind, "cG9pc29u"); got != want {
		t.Errorf("document\n got %s\nwant %s", got, want)
	}
	if place := strings.ReplaceAll(places[0], id, "requestId"); place != kind.Place {
		t.Errorf("delivered to %s, want %s", place, kind.Place)
	}
}

// trouble lets the first calls fail. The delivery is made all the same, the
// position waits for it, and the error says what is needed and no secret.
func trouble(what Trouble, text string) func(*testing.T, Kind) {
	return func(t *testing.T, kind Kind) {
		t.Helper()
		const failing = 3
		world := newWorld(t, kind, func(call int) Trouble {
			if call > failing {
				return Trouble{}
			}
			return what
		})
		world.run("poison", "well")
		documents, places, calls := world.service.got()
		if least := 1; len(documents) < least || len(documents) > failing+1 {
			t.Errorf("delivered: %q", documents)
		}
		if slices.ContainsFunc(places, func(place string) bool { return place != places[0] }) {
			t.Errorf("attempts deliver one record to several places: %q", places)
		}
		if calls > failing+2 { // one may have prepared the delivery
			t.Errorf("%d calls, want no retries but the mapping's", calls)
		}
		world.mu.Lock()
		defer world.mu.Unlock()
		if len(world.errs) != failing {
			t.Errorf("%d failed deliveries were observed: %v", len(world.errs), world.errs)
		}
		for _, err := range world.errs {
			if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %q, want one that says %q and no secret", err, text)
			}
		}
		if world.counts[esm.OnFailureDestinationDeliveredEventCount] != 1 || world.counts[esm.DroppedEventCount] != 0 {
			t.Errorf("observed %v", world.counts)
		}
	}
}

// check has trouble with the check at the start. If that is certain the mapping does not
// start, and otherwise it goes on, and says so in its log if there is a text.
func check(what Trouble, certain bool, text string) func(*testing.T, Kind) {
	return func(t *testing.T, kind Kind) {
		t.Helper()
		var log bytes.Buffer
		w := newWorld(t, kind, nil)
		w.service.check = what
		w.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w.stream.Put("device-17", []byte("poison"))
		w.stream.End()
		err := w.start(w.stream.Source("app"))
		documents, _, calls := w.service.got()
		switch logged := strings.Contains(log.String(), "could not be checked"); {
		case w.service.checks == 0:
			t.Errorf("%d checks", w.service.checks)
		case strings.Contains(log.String(), secret):
			t.Errorf("a secret is in the log: %s", &log)
		case certain:
			if !errors.Is(err, esm.ErrDestinationUnusable) || !strings.Contains(err.Error(), text) || calls != 0 {
				t.Errorf("Run: %v, after %d calls; want an error with %q at once", err, calls, text)
			}
		case err != nil || len(documents) != 1:
			t.Errorf("Run: %v; delivered: %q", err, documents)
		case logged != (text != "") || !strings.Contains(log.String(), text):
			t.Errorf("log: %s, want %q", &log, text)
		}
	}
}

// slow answers late, but in time.
func slow(t *testing.T, kind Kind) {
	t.Helper()
	w := newWorld(t, kind, func(int) Trouble { return Trouble{Delay: 10 * time.Second} })
	w.run("poison", "well")
	if documents, _, _ := w.service.got(); len(documents) != 1 || len(w.errs) != 0 {
		t.Errorf("delivered %q, after %v", documents, w.errs)
	}
}

// hangs delivers with a context that has no deadline, to a service that never answers.
func hangs(t *testing.T, kind Kind) {
	t.Helper()
	const most = 30 * time.Second
	w := newWorld(t, kind, func(int) Trouble { return Trouble{Delay: 24 * time.Hour} })
	began := time.Now()
	err := w.config.OnFailure.Deliver(t.Context(), &esm.FailureRecord{FunctionARN: function})
	if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > most {
		t.Errorf("got error %v after %v, want one of a deadline within %v", err, took, most)
	}
	if err == nil || !strings.Contains(err.Error(), "not answered within") || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v does not say how long the answer was waited for, or has a secret", err)
	}
}

// large fails a record whose document takes three quarters of the service's limit.
func large(t *testing.T, kind Kind) {
	t.Helper()
	const most = 1 << 20 // if there is no limit that matters
	w := newWorld(t, kind, nil)
	w.run("poison" + strings.Repeat("x", cmp.Or(kind.Limit, most)*9/16)) // base64 takes four thirds
	documents, _, _ := w.service.got()
	if len(documents) != 1 {
		t.Fatalf("%d documents", len(documents))
	}
	if has := strings.Contains(documents[0], `,"payload":`); has != (kind.Payload != esm.NoPayload) {
		t.Errorf("payload: %v; %d bytes", has, len(documents[0]))
	}
}

// tooLarge fails a record whose data does not fit into the service's limit.
func tooLarge(t *testing.T, kind Kind) {
	t.Helper()
	w := newWorld(t, kind, nil)
	w.run("poison" + strings.Repeat("x", 2<<20))
	documents, _, _ := w.service.got()
	if len(documents) != 1 {
		t.Fatalf("%d documents", len(documents))
	}
	whole := kind.Payload != esm.NoPayload && kind.Limit == 0
	if has := strings.Contains(documents[0], `,"payload":`); has != whole {
		t.Errorf("payload: %v, want %v; %d bytes", has, whole, len(documents[0]))
	}
	if kind.Limit > 0 && len(documents[0]) > kind.Limit {
		t.Errorf("%d bytes, at most %d are taken", len(documents[0]), kind.Limit)
	}
}

// verbose is a source that describes each record of a batch, as that of Kafka
// describes each partition.
type verbose struct{ sources.Source }

func (s verbose) Unwrap() sources.Source { return s.Source }

func (s verbose) Accept(ctx context.Context) (sources.Partition, error) {
	partition, err := s.Source.Accept(ctx)
	return verbosePartition{partition}, err
}

type verbosePartition struct{ sources.Partition }

func (p verbosePartition) Unwrap() sources.Partition { return p.Partition }

// AppendBatchInfo writes 800 bytes a record.
func (verbosePartition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	dst = append(dst, `"KafkaBatchInfo":{"recordsInfo":[`...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Appendf(dst, `{"record":%q,"text":%q}`, records[i].ID, strings.Repeat("x", 800))
	}
	return append(dst, `]}`...)
}

// parts fails so many records at once that what describes them is too large for the
// service. They are delivered in parts.
func parts(t *testing.T, kind Kind) {
	t.Helper()
	const records = 2_000
	w := newWorld(t, kind, nil)
	w.config.BatchSize, w.config.MaximumBatchingWindow = records, time.Second
	for range records {
		w.stream.Put("device-17", []byte("poison"))
	}
	w.stream.End()
	w.handle(verbose{w.stream.Source("app")})
	documents, _, _ := w.service.got()
	if whole := kind.Limit == 0; len(documents) == 0 || whole != (len(documents) == 1) {
		t.Errorf("%d documents", len(documents))
	}
	described := make(map[string]int)
	for _, d := range documents {
		if kind.Limit > 0 && len(d) > kind.Limit {
			t.Errorf("%d bytes, at most %d are taken", len(d), kind.Limit)
		}
		for _, id := range regexp.MustCompile(`"record":"[0-9]+"`).FindAllString(d, -1) {
			described[id]++
		}
	}
	if len(described) != records || slices.Max(slices.Collect(maps.Values(described))) != 1 {
		t.Errorf("%d of %d records are described, in %d documents", len(described), records, len(documents))
	}
}

// many lets every second call fail, before or after it took effect.
func many(t *testing.T, kind Kind) {
	t.Helper()
	const records = 40
	w := newWorld(t, kind, func(call int) Trouble {
		return Trouble{Cut: call%4 == 1, Lose: call%4 == 3}
	})
	w.config.ParallelizationFactor = 10
	bodies := make([]string, records)
	for i := range bodies {
		bodies[i] = "poison"
	}
	w.run(bodies...)
	documents, _, _ := w.service.got()
	ids := make(map[string]bool)
	for _, d := range documents {
		ids[uuid.FindString(d)] = true
	}
	if len(ids) != records {
		t.Errorf("%d of %d records arrived", len(ids), records)
	}
}
