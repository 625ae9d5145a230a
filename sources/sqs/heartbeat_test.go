package sqs_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// openLong opens a queue with a heartbeat whose records are the mapping's for 933 s.
func openLong(t *testing.T, s *stub) sources.Partition {
	t.Helper()
	return openWith(t, s, sqs.Options{Heartbeat: true}, sources.Settings{BatchSize: 10, Timeout: 900 * time.Second, Window: 3 * time.Second})
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a", "b", "c", "gone")
		p := openLong(t, s)
		records := fetch(t, p, 10, 0)
		var fault atomic.Bool
		s.before = func(op string) error {
			if fault.Load() && op == "ChangeMessageVisibilityBatch" {
				return apiError("RequestThrottled")
			}
			return nil
		}
		s.entry = func(_ string, _ int, handle string) *types.BatchResultErrorEntry {
			if handle == secret+"-4" {
				return &types.BatchResultErrorEntry{Code: aws.String("ReceiptHandleIsInvalid"), SenderFault: true}
			}
			return nil
		}
		for range 20 { // one beat in three may fail
			time.Sleep(9 * time.Second)
			fault.Store(!fault.Load())
			for _, body := range []string{"a", "b", "c"} {
				if got := s.state(body); got != "hidden" {
					t.Fatalf("%s is %s", body, got)
				}
			}
		}
		fault.Store(false)
		time.Sleep(time.Second) // past the beat of this moment
		err := p.Ack(t.Context(), records[:1])
		if err != nil {
			t.Error(err)
		}
		fail(t, p, records[1:2])
		beats := len(s.log("ChangeMessageVisibilityBatch"))
		time.Sleep(41 * time.Second)
		if s.state("a") != "deleted" || s.state("b") != "visible" || s.state("c") != "hidden" {
			t.Errorf("a is %s, b is %s, c is %s", s.state("a"), s.state("b"), s.state("c"))
		}
		for _, c := range s.log("ChangeMessageVisibilityBatch")[beats:] {
			if len(c.handles) != 1 || c.seconds[0] != 30 {
				t.Errorf("beat %v for %v", c.handles, c.seconds)
			}
		}
		closePartition(t, p)
	})
}

// A heartbeat ends when its record expires and what was handled by then must be deleted:
// the message comes back then, whoever still holds it, and redrive acts.
func TestHeartbeatEndsWhenTheRecordExpires_SQS48(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")
		p := openLong(t, s)
		began := time.Now()
		records := fetch(t, p, 10, 0)
		if got := records[0].Expires.Sub(began); got != 933*time.Second {
			t.Errorf("expires after %v", got)
		}
		time.Sleep(947 * time.Second)
		if got := s.state("a"); got != "hidden" {
			t.Errorf("a is %s before its delete must have ended", got)
		}
		time.Sleep(2 * time.Second)
		if got := s.state("a"); got != "visible" {
			t.Errorf("a is %s after that", got)
		}
		beats := len(s.log("ChangeMessageVisibilityBatch"))
		time.Sleep(time.Hour)
		if more := len(s.log("ChangeMessageVisibilityBatch")); more != beats {
			t.Errorf("%d beats before it came back and %d after", beats, more-beats)
		}
		closePartition(t, p)
	})
}

// Extend moves the end on, but never past the 12 hours of the service.
func TestExtendedHeartbeatEndsAfterTwelveHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")
		p := openLong(t, s)
		began := time.Now()
		records := fetch(t, p, 10, 0)
		for range 12*4 - 1 {
			time.Sleep(15 * time.Minute)
			extend(t, p, records)
		}
		if got := records[0].Expires.Sub(began); got != 12*time.Hour-15*time.Second {
			t.Errorf("expires after %v", got)
		}
		time.Sleep(15*time.Minute - time.Second)
		if got := s.state("a"); got != "hidden" {
			t.Errorf("a is %s before 12 hours", got)
		}
		time.Sleep(2 * time.Second)
		beats := len(s.log("ChangeMessageVisibilityBatch"))
		time.Sleep(5 * time.Minute)
		if more := len(s.log("ChangeMessageVisibilityBatch")); more != beats || beats < 4000 {
			t.Errorf("%d beats in 12 hours, %d after", beats, more-beats)
		}
		closePartition(t, p)
	})
}

// One extension that hangs holds up nothing but its own ten messages: the others go
// on to be extended, by this beat and the next ones. It is told.
func TestHungBeatStopsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		_, err := server.AddQueue(standardARN, map[string]string{"VisibilityTimeout": "30"})
		if err != nil {
			t.Fatal(err)
		}
		source, err := sqs.New(server.Client(), standardARN, sqs.Options{Heartbeat: true})
		if err != nil {
			t.Fatal(err)
		}
		var reports atomic.Int64
		err = source.Start(t.Context(), sources.Settings{
			BatchSize: 100, Timeout: 10 * time.Minute, Window: time.Second, Report: func(error) { reports.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		p, err := source.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if _, err := server.Send("orders", strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
		records := fetch(t, p, 100, 20*time.Second)
		if len(records) != 50 {
			t.Fatalf("%d records", len(records))
		}
		server.SetFault(func(c sqstest.Call) sqstest.Fault {
			if c.Action == "ChangeMessageVisibilityBatch" && c.Entries[0].MessageID == records[0].ID {
				return sqstest.Fault{Cut: sqstest.CutBefore, Delay: time.Hour}
			}
			return sqstest.Fault{}
		})
		time.Sleep(5 * time.Minute)
		if got := server.Counts("orders"); got != (sqstest.Counts{Visible: 10, InFlight: 40}) {
			t.Errorf("%+v, want all hidden but the ten whose extension hangs", got)
		}
		if got := reports.Load(); got < 20 {
			t.Errorf("%d failed beats were told", got)
		}
		server.SetFault(nil)
		closePartition(t, p)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A receive that is answered late with a heartbeat brings messages that are still the
// mapping's, though the queue's visibility timeout is shorter than that.
func TestHeartbeatOfLateAnswers_P5(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(_ *testing.T, w *world) {
		const messages = 30
		w.redrive(5*time.Second, "dead", 1)
		w.sendAll(numbers(messages), 0)
		w.setFaults(func(c sqstest.Call) sqstest.Fault {
			if c.Action == "ReceiveMessage" {
				return sqstest.Fault{Delay: 8 * time.Second}
			}
			return sqstest.Fault{}
		})
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(20 * time.Second)
			return esm.Response{}, nil
		}), sqs.Options{Heartbeat: true}, esm.Config{Timeout: 30 * time.Second})
		w.until(messages, 10*time.Minute)
		r.end()
		w.once(numbers(messages))
	})
}
