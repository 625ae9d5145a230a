package sqs_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func TestExtend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		for _, body := range numbers(25) {
			s.send(body)
		}
		p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 100, Window: time.Second, Timeout: 3 * time.Second})
		records := fetch(t, p, 100, 20*time.Second)
		first := records[0].Expires
		time.Sleep(20 * time.Second)
		sent := time.Now()
		s.before = func(string) error {
			time.Sleep(time.Second)
			return nil
		}
		s.entry = func(_ string, _ int, handle string) *types.BatchResultErrorEntry {
			switch handle {
			case secret + "-4":
				return &types.BatchResultErrorEntry{Code: aws.String("InternalError")}
			case secret + "-5":
				return &types.BatchResultErrorEntry{Code: aws.String("ReceiptHandleIsInvalid"), SenderFault: true}
			}
			return nil
		}
		err := p.(sources.Extender).Extend(t.Context(), records)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Extend: %v", err)
		}
		for i, r := range records {
			want := sent.Add(34 * time.Second)
			if i == 3 || i == 4 {
				want = first
			}
			if !r.Expires.Equal(want) {
				t.Errorf("record %d expires at %v, want %v", i, r.Expires, want)
			}
		}
		if calls := s.log("ChangeMessageVisibilityBatch"); len(calls) != 3 || calls[0].seconds[0] != 49 {
			t.Errorf("%d calls, for %v", len(calls), calls[0].seconds)
		}
		// What has expired is not the mapping's to extend: somebody else may have it.
		time.Sleep(time.Minute)
		err = p.(sources.Extender).Extend(t.Context(), records)
		if err == nil || len(s.log("ChangeMessageVisibilityBatch")) != 3 {
			t.Errorf("Extend of expired records: %v", err)
		}
		closePartition(t, p)
	})
}

// handleless is a service that hands out one message without a receipt handle.
type handleless struct{ *stub }

func (s handleless) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput,
	options ...func(*awssqs.Options),
) (*awssqs.ReceiveMessageOutput, error) {
	out, err := s.stub.ReceiveMessage(ctx, in, options...)
	if err == nil && len(out.Messages) > 1 {
		out.Messages[1].ReceiptHandle = nil
	}
	return out, err
}

// A message without receipt handle is passed over and told; its neighbours are
// deleted.
func TestMessageWithoutHandleIsPassedOver_P14(t *testing.T) {
	t.Parallel()
	s := handleless{newStub(standardARN)}
	s.send("a", "odd", "c")
	var (
		mu    sync.Mutex
		heard []string
	)
	p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 10, Timeout: time.Second, Report: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, err.Error())
	}})
	records := fetch(t, p, 10, 0)
	if got := bodies(records); got != "a c" {
		t.Errorf("got %q", got)
	}
	if err := p.Ack(t.Context(), records); err != nil {
		t.Errorf("Ack: %v", err)
	}
	closePartition(t, p)
	if s.state("a") != "deleted" || s.state("c") != "deleted" || s.state("odd") != "hidden" {
		t.Errorf("a is %s, c is %s, the odd one is %s", s.state("a"), s.state("c"), s.state("odd"))
	}
	if len(heard) != 1 || !strings.Contains(heard[0], "1 messages have no ID or no receipt handle") {
		t.Errorf("reported %q", heard)
	}
}
