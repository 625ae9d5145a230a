package sqs_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/sqs"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a", "b", "c", "gone")

		_, p := open(t, s, sqs.Options{Heartbeat: true})
		records := fetch(t, p, 10, 0)

		if !records[0].Expires.IsZero() {
			t.Errorf("expires at %v", records[0].Expires)
		}

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

func TestHeartbeatEndsAfterTwelveHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")

		_, p := open(t, s, sqs.Options{Heartbeat: true})
		fetch(t, p, 10, 0)
		time.Sleep(12 * time.Hour)
		beats := len(s.log("ChangeMessageVisibilityBatch"))
		time.Sleep(time.Hour)

		if more := len(s.log("ChangeMessageVisibilityBatch")); more != beats || beats < 4000 {
			t.Errorf("%d beats in 12 hours, %d in 13", beats, more)
		}

		closePartition(t, p)
	})
}
