package kinesis_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/plainhttp"
	"github.com/openesm/openesm/sources/kinesis"
)

// realTransport is how calls reach the server under test. Answers of
// SubscribeToShard are read while they come, and begin with a message that the
// emulator kinesis-local leaves out and the SDK waits for, as Kinesis sends it.
type realTransport struct {
	subscribe *http.Transport
}

func newRealTransport() realTransport {
	return realTransport{subscribe: &http.Transport{DisableKeepAlives: true}}
}

func (t realTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(request.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
		return plainhttp.Transport{}.RoundTrip(request)
	}
	response, err := t.subscribe.RoundTrip(request)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	first, err := initialResponse()
	if err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	response.ContentLength = -1
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first), response.Body), response.Body}
	return response, nil
}

// initialResponse is the message that an event stream begins with.
func initialResponse() ([]byte, error) {
	var message eventstream.Message
	message.Headers.Set(":event-type", eventstream.StringValue("initial-response"))
	message.Headers.Set(":content-type", eventstream.StringValue("application/x-amz-json-1.1"))
	message.Headers.Set(":message-type", eventstream.StringValue("event"))
	message.Payload = []byte("{}")
	var b bytes.Buffer
	err := eventstream.NewEncoder().Encode(&b, message)
	return b.Bytes(), err
}

// fannedOut are quick options with a consumer that the mapping registers.
func fannedOut() kinesis.Options {
	options := quick()
	options.ConsumerName = "reader"
	return options
}

// TestRealFanOut_KIN89 puts records before and while a mapping subscribes, by a
// consumer that it registers: each is handled once, in the order of its key.
func TestRealFanOut_KIN89(t *testing.T) {
	t.Parallel()
	const keys, rounds = 20, 20
	stream := newRealStream(t, 2)
	account := newAccount()
	putRounds(t, stream, keys, 0, rounds/2)
	mapping := realMapping(t, stream, checkpoint.NewMemory(), account, fannedOut())
	account.wait(t, keys*rounds/2)
	putRounds(t, stream, keys, rounds/2, rounds)
	account.wait(t, keys*rounds)
	mapping.stop(t)
	account.check(t, keys, rounds)
	out, err := stream.client.DescribeStreamConsumer(t.Context(), &awskinesis.DescribeStreamConsumerInput{
		StreamARN: &stream.arn, ConsumerName: aws.String("reader"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if status := out.ConsumerDescription.ConsumerStatus; status != "ACTIVE" {
		t.Errorf("the consumer is %s afterwards", status)
	}
}

// TestRealFanOutReshard_KIN86 splits a stream under a mapping that subscribes to it,
// by turns with one that does not and goes on from the same positions: kinesis-local
// does not end the subscription of a shard that was split, so that the second one
// must read the shards to their ends. Every record is handled, once, and in the order
// of its key.
func TestRealFanOutReshard_KIN86(t *testing.T) {
	t.Parallel()
	const keys, turns, each = 20, 3, 6
	stream, store, account := newRealStream(t, 2), checkpoint.NewMemory(), newAccount()
	for turn := range turns {
		round := turn * each
		mapping := realMapping(t, stream, store, account, fannedOut())
		putRounds(t, stream, keys, round, round+2)
		account.wait(t, keys*(round+2))
		err := stream.split(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		putRounds(t, stream, keys, round+2, round+4)
		mapping.stop(t)
		mapping = realMapping(t, stream, store, account, quick())
		putRounds(t, stream, keys, round+4, round+each)
		account.wait(t, keys*(round+each))
		mapping.stop(t)
	}
	account.check(t, keys, turns*each)
}

// TestRealFanOutConformance runs the suite with a consumer of its own for each
// restart: kinesis-local notices only a second later that a subscription was let go,
// and instead of having the next one take its place it ends that one with an error.
func TestRealFanOutConformance(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	options := func() kinesis.Options {
		options := fannedOut()
		options.ConsumerName += fmt.Sprint("-", opened.Add(1))
		return options
	}
	realConformance(t, options, map[string]string{
		"ChildrenAfterParents": "kinesis-local does not end the subscription of a shard that was split",
	})
}

// putRounds puts the numbers from one up to another by each key.
func putRounds(t *testing.T, stream *realStream, keys, from, to int) {
	t.Helper()
	for round := from; round < to; round++ {
		for key := range keys {
			err := stream.put(t.Context(), fmt.Sprint("key-", key), fmt.Append(nil, round))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
