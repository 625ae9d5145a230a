package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
)

const (
	// unknownLimit is how long the brokers are asked again for a topic that they do not
	// know: one that has just started, or a topic that was just made, is not known
	// everywhere.
	unknownLimit = 3 * time.Second
	// unknownPause is how long to wait before that.
	unknownPause = 250 * time.Millisecond
)

var _ esm.Checker = (*Destination)(nil)

// asker is what a client needs for the check; *kgo.Client has it.
type asker interface {
	Request(ctx context.Context, request kmsg.Request) (kmsg.Response, error)
	OptValue(opt any) any
}

// Check asks the brokers for the topic, and tells that it does not exist, or that the
// caller may not describe it: who may write may do that too. A client that has
// AllowAutoTopicCreation makes a topic that does not exist.
func (d *Destination) Check(ctx context.Context) error {
	client, ok := d.client.(asker)
	if !ok {
		return nil
	}
	for began := time.Now(); ; {
		err := d.describe(ctx, client)
		missing := errors.Is(err, kerr.UnknownTopicOrPartition)
		switch {
		case missing && client.OptValue(kgo.AllowAutoTopicCreation) == true:
			return nil
		case missing && time.Since(began) < unknownLimit:
			if !pause(ctx) {
				return err
			}
		case missing, errors.Is(err, kerr.TopicAuthorizationFailed):
			return target.Unusable(err)
		default:
			return err
		}
	}
}

// describe asks the brokers once.
func (d *Destination) describe(ctx context.Context, client asker) error {
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &d.topic
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, client)
	switch {
	case err != nil:
	case len(response.Topics) != 1:
		err = fmt.Errorf("the answer has %d topics", len(response.Topics))
	default:
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("kafka: Metadata of topic %s: %w", d.topic, err)
	}
	return nil
}

// pause waits before the next question, and reports whether ctx lived on.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(unknownPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
