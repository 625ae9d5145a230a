package esm_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

var errDead = errors.New("destination is dead")

func down(context.Context, *esm.FailureRecord) error { return errDead }

// noRetries gives a failed batch up at once, to destination.
func noRetries(destination esm.DestinationFunc) esm.Config {
	return esm.Config{BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: destination}
}

// Destination trouble is bounded by the user only (P1, DST-62, DST-63, DST-88).
func TestDestinationTroubleIsBoundedByTheUserOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "b")
		s.End()
		j := newJournal()
		config := noRetries(down)
		config.OnFailureTimeout = 10 * time.Minute
		start := time.Now()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		equal(t, "took the bound", time.Since(start).Round(time.Second), 10*time.Minute)
		equal(t, "handled", j.seen(), []string{"poison", "b"})
		equal(t, "dropped", j.count(esm.DroppedEventCount), 1)
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 0)
		equal(t, "lag", s.Lag("app"), 0)
		if tries := j.count(esm.OnFailureDestinationDeliveryErrorCount); tries < 10 || tries > 40 {
			t.Errorf("%d deliveries in ten minutes", tries)
		}
		for _, err := range j.errs[esm.OnFailureDestinationDeliveryErrorCount] {
			if !errors.Is(err, errDead) {
				t.Errorf("observed %v", err)
			}
		}
	})
}

func TestLastAttemptAtTheBoundCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		s.End()
		j := newJournal()
		start := time.Now()
		config := noRetries(func(context.Context, *esm.FailureRecord) error {
			if time.Since(start) < time.Minute {
				return errDead
			}
			return nil
		})
		config.OnFailureTimeout = time.Minute
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		equal(t, "dropped", j.count(esm.DroppedEventCount), 0)
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 1)
	})
}

func TestDestinationThatHangsIsTriedAgain_P9(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		s.End()
		j, tries := newJournal(), 0
		start := time.Now()
		config := noRetries(func(ctx context.Context, _ *esm.FailureRecord) error {
			if tries++; tries > 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		equal(t, "deliveries tried", tries, 3)
		if took := time.Since(start); took < time.Minute || took > 62*time.Second {
			t.Errorf("took %v, want half a minute for each that hangs", took)
		}
	})
}

func TestDeadDestinationStallsOnlyWhatNeedsIt_P6(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{Partitions: 2})
		ids := s.Partitions()
		for _, id := range ids {
			for _, body := range []string{"a", "b", "c"} {
				put(t, s, id, body, body)
			}
		}
		put(t, s, ids[0], "poison", "poison")
		for _, body := range []string{"d", "e"} {
			put(t, s, ids[0], body, body)
			put(t, s, ids[1], body, body)
		}
		j := newJournal()
		config := noRetries(down)
		config.ParallelizationFactor = 10
		stop := background(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		handled := map[string]int{}
		for _, body := range j.seen() {
			handled[body]++
		}
		equal(t, "handled", handled, map[string]int{"a": 2, "b": 2, "c": 2, "d": 2, "e": 2, "poison": 1})
		equal(t, "lag: the poison record, and what is behind it", s.Lag("app"), 3)
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, 0)
	})
}

func put(t *testing.T, s *memory.Stream, partition, key, body string) {
	t.Helper()
	if _, err := s.PutTo(partition, key, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// Stop during a delivery keeps the record (P1, P11).
func TestStopDuringADeliveryKeepsTheRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		j := newJournal()
		config := noRetries(func(ctx context.Context, _ *esm.FailureRecord) error {
			<-ctx.Done()
			return ctx.Err()
		})
		config.DrainTimeout, config.OnFailureTimeout = time.Second, time.Millisecond
		stop := background(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		time.Sleep(time.Second)
		took, err := stop()
		equal(t, "took the drain timeout", took, time.Second)
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		equal(t, "dropped", j.count(esm.DroppedEventCount), 0)
		equal(t, "lag", s.Lag("app"), 1)
	})
}

// Record too large has null response context (DST-23, DST-81).
func TestRecordTooLargeHasNullResponseContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(strings.Repeat("x", 3000))
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{MaximumBatchBytes: 2000, OnFailure: f})))
		document, err := json.Marshal(f.records[0])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(document), `"condition":"MaximumPayloadSizeExceeded","approximateInvokeCount":1},"responseContext":null,"version"`) {
			t.Errorf("document: %s", document)
		}
	})
}

// Payload as object and record by record (DST-40, DST-44, DST-46).
func TestPayloadAsObjectAndRecordByRecord(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b")
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, errHandler
		}), j.config(esm.Config{MaximumBatchingWindow: time.Second, MaximumRetryAttempts: new(0), OnFailure: f})))
		all := f.records[0]
		for i, record := range all.Records {
			one := all.Record(i)
			document, err := one.Marshal(esm.ObjectPayload)
			if err != nil {
				t.Fatal(err)
			}
			var decoded struct {
				RequestContext struct {
					RequestID string `json:"requestId"`
				} `json:"requestContext"`
				Info struct {
					BatchSize int    `json:"batchSize"`
					First     string `json:"startSequenceNumber"`
				} `json:"KinesisBatchInfo"`
				Payload events.KinesisEvent `json:"payload"`
			}
			if err := json.Unmarshal(document, &decoded); err != nil {
				t.Fatal(err)
			}
			equal(t, "request", decoded.RequestContext.RequestID, all.RequestID)
			equal(t, "batch size", decoded.Info.BatchSize, 1)
			equal(t, "described", decoded.Info.First, record.ID)
			equal(t, "records in the payload", len(decoded.Payload.Records), 1)
			equal(t, "payload", decoded.Payload.Records[0].Kinesis.SequenceNumber, record.ID)
		}
		equal(t, "records", len(all.Records), 2)
	})
}

func TestMappingUUIDStaysTheSame_DST32(t *testing.T) {
	bubble(t, func(t *testing.T) {
		uuids := map[string]bool{}
		for _, config := range []esm.Config{{Name: "a"}, {Name: "a"}, {Name: "b"}, {Name: "a", FunctionARN: "f"}, {UUID: "mine"}} {
			s := streamOf("poison")
			s.End()
			j, f := newJournal(), &failures{}
			config.OnFailure, config.MaximumRetryAttempts = f, new(0)
			mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
			got := f.records[0].MappingUUID
			uuids[got] = true
			if len(got) != 36 && got != "mine" {
				t.Errorf("UUID %q", got)
			}
		}
		equal(t, "different ones", len(uuids), 4)
	})
}
