package kinesistest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

func (w *world) register(name string) (string, error) {
	out, err := w.client.RegisterStreamConsumer(w.t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: new(streamARN), ConsumerName: &name})
	if err != nil {
		return "", err
	}
	return *out.Consumer.ConsumerARN, nil
}

func TestRegister_KIN89(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		arn, err := w.register("c")
		if err != nil {
			t.Fatal(err)
		}
		describe := &kinesis.DescribeStreamConsumerInput{ConsumerARN: &arn}
		out, err := w.client.DescribeStreamConsumer(t.Context(), describe)
		if err != nil || out.ConsumerDescription.ConsumerStatus != types.ConsumerStatusCreating ||
			*out.ConsumerDescription.StreamARN != streamARN || !out.ConsumerDescription.ConsumerCreationTimestamp.Equal(time.Now()) {
			t.Errorf("got %+v, %v", out, err)
		}
		in := &kinesis.SubscribeToShardInput{ConsumerARN: &arn, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest}}
		_, err = w.subscribe(in)
		wiretest.WantType[*types.ResourceInUseException](t, err)
		time.Sleep(time.Second)
		out, err = w.client.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{StreamARN: new(streamARN), ConsumerName: new("c")})
		if err != nil || out.ConsumerDescription.ConsumerStatus != types.ConsumerStatusActive || *out.ConsumerDescription.ConsumerARN != arn {
			t.Errorf("got %+v, %v", out, err)
		}
		stream, err := w.subscribe(in)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		_, err = w.register("c")
		wiretest.WantType[*types.ResourceInUseException](t, err)
		_, err = w.register("c d")
		wiretest.WantType[*types.InvalidArgumentException](t, err)
	})
}

func TestConsumerLimits_KIN89(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		for i := range 20 {
			if i > 0 && i%5 == 0 {
				_, err := w.register("too many")
				wiretest.WantCode(t, err, "InvalidArgumentException")
				_, err = w.register("toomany")
				wiretest.WantType[*types.LimitExceededException](t, err)
				time.Sleep(time.Second)
			}
			if _, err := w.register(fmt.Sprintf("c%02d", i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		_, err := w.register("c20")
		wiretest.WantType[*types.LimitExceededException](t, err)
		in := &kinesis.ListStreamConsumersInput{StreamARN: new(streamARN), MaxResults: new(int32(15))}
		var names []string
		for {
			out, err := w.client.ListStreamConsumers(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range out.Consumers {
				names = append(names, *c.ConsumerName)
			}
			if in.NextToken = out.NextToken; out.NextToken == nil {
				break
			}
		}
		if len(names) != 20 || names[0] != "c00" || names[19] != "c19" {
			t.Errorf("got %q", names)
		}
	})
}

func TestConsumerARN_KIN90(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		old := w.consumer("c")
		if want := fmt.Sprintf("%s/consumer/c:%d", streamARN, time.Now().Unix()); old != want {
			t.Errorf("got %s, want %s", old, want)
		}
		if _, err := w.client.DeregisterStreamConsumer(t.Context(), &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &old}); err != nil {
			t.Fatal(err)
		}
		if again := w.consumer("c"); again == old {
			t.Errorf("a new consumer has the old ARN %s", old)
		}
		_, err := w.client.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{ConsumerARN: &old})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		_, err = w.client.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{ConsumerARN: new(streamARN)})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		_, err = w.client.DescribeStreamConsumer(t.Context(), &kinesis.DescribeStreamConsumerInput{StreamARN: new(streamARN), ConsumerName: new("d")})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		if _, err := w.server.AddConsumer("other", "c"); err == nil {
			t.Error("a stream that is not there got a consumer")
		}
	})
}
