package sqs_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// odd is a service whose receives are all answered at once, with the same.
type odd struct {
	*stub
	out      *awssqs.ReceiveMessageOutput
	receives *atomic.Int64
}

func (s odd) ReceiveMessage(context.Context, *awssqs.ReceiveMessageInput, ...func(*awssqs.Options)) (*awssqs.ReceiveMessageOutput, error) {
	s.receives.Add(1)
	return s.out, nil
}

// Answers that have nothing to start are not asked for in a loop.
func TestOddAnswersAreNoHotLoop_P9(t *testing.T) {
	t.Parallel()
	broken := types.Message{MessageId: aws.String("1"), Body: aws.String("a")}
	for name, out := range map[string]*awssqs.ReceiveMessageOutput{
		"empty":      {},
		"no handles": {Messages: []types.Message{broken}},
		"ten":        {Messages: slices.Repeat([]types.Message{broken}, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := odd{newStub(standardARN), out, new(atomic.Int64)}
				p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 10, Timeout: time.Second})
				for began := time.Now(); time.Since(began) < time.Minute; {
					_, _ = p.Fetch(t.Context(), make([]sources.Record, 100), 10*time.Second)
					_, _ = p.Fetch(t.Context(), make([]sources.Record, 100), time.Second-1)
				}
				if n := s.receives.Load(); n > 200 {
					t.Errorf("%d receives in a minute", n)
				}
				closePartition(t, p)
			})
		})
	}
}
