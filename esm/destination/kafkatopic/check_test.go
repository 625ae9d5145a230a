package kafkatopic_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
)

// brokers is a client whose brokers answer Metadata with an error code.
type brokers struct {
	silent

	code   func(asked int) *kerr.Error // nil for none
	create bool                        // AllowAutoTopicCreation
	asked  int
}

func (b *brokers) OptValue(any) any { return b.create }

func (b *brokers) Request(ctx context.Context, in kmsg.Request) (kmsg.Response, error) {
	request := in.(*kmsg.MetadataRequest)
	if request.AllowAutoTopicCreation {
		return nil, errors.New("the topic would be made")
	}
	b.asked++
	if b.code == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	response := kmsg.NewPtrMetadataResponse()
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = request.Topics[0].Topic
	if err := b.code(b.asked); err != nil {
		topic.ErrorCode = err.Code
	}
	response.Topics = append(response.Topics, topic)
	return response, nil
}

func always(err *kerr.Error) func(int) *kerr.Error { return func(int) *kerr.Error { return err } }

// TestCheck_DST41 asks for a topic that may not be there.
func TestCheck_DST41(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		client   brokers
		want     error
		unusable bool
		took     time.Duration
	}{
		"there":   {brokers{code: always(nil)}, nil, false, 0},
		"missing": {brokers{code: always(kerr.UnknownTopicOrPartition)}, kerr.UnknownTopicOrPartition, true, 3 * time.Second},
		"just made": {brokers{code: func(asked int) *kerr.Error {
			if asked < 5 {
				return kerr.UnknownTopicOrPartition
			}
			return nil
		}}, nil, false, time.Second},
		"made at need": {brokers{code: always(kerr.UnknownTopicOrPartition), create: true}, nil, false, 0},
		"forbidden":    {brokers{code: always(kerr.TopicAuthorizationFailed)}, kerr.TopicAuthorizationFailed, true, 0},
		"no leader":    {brokers{code: always(kerr.LeaderNotAvailable)}, kerr.LeaderNotAvailable, false, 0},
		"hangs":        {brokers{}, context.DeadlineExceeded, false, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				err := newDestination(t, &test.client).(esm.Checker).Check(ctx)
				if !errors.Is(err, test.want) || errors.Is(err, esm.ErrDestinationUnusable) != test.unusable {
					t.Errorf("error %v, want %v; unusable: %t", err, test.want, test.unusable)
				}
				if took := time.Since(began); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}

// TestStopDuringTheCheck says nothing of the topic.
func TestStopDuringTheCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := newDestination(t, &brokers{code: always(kerr.UnknownTopicOrPartition)}).(esm.Checker).Check(ctx)
		if err == nil || errors.Is(err, esm.ErrDestinationUnusable) {
			t.Errorf("error %v", err)
		}
	})
}

// TestCheckOfABroker asks a broker by the client that produces.
func TestCheckOfABroker(t *testing.T) {
	t.Parallel()
	c, k := cluster(t)
	var asked atomic.Int32
	c.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	if err := newDestination(t, k).(esm.Checker).Check(t.Context()); err != nil || asked.Load() == 0 {
		t.Errorf("the topic is there: %v, asked %d times", err, asked.Load())
	}
	if produced := k.BufferedProduceRecords(); produced != 0 {
		t.Errorf("%d messages", produced)
	}
}
