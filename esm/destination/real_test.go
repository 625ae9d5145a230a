package destination_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/eventbus"
	"github.com/openesm/openesm/esm/destination/lambdafunction"
	"github.com/openesm/openesm/esm/destination/s3bucket"
	"github.com/openesm/openesm/esm/destination/snstopic"
	"github.com/openesm/openesm/esm/destination/sqsqueue"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// realConfig reaches an emulator of AWS, which .ci/real/destinations starts.
func realConfig(t *testing.T) aws.Config {
	t.Helper()
	endpoint := os.Getenv("OPENESM_AWS_ENDPOINT")
	if endpoint == "" {
		t.Skip("OPENESM_AWS_ENDPOINT does not name an emulator; .ci/real/destinations starts one")
	}

	// The emulator loses a connection that is kept alive now and then.
	transport := &http.Transport{DisableKeepAlives: true}
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// giveUp has a mapping give up the record "poison", and checks that the document
// which get then fetches is the record's.
func giveUp(t *testing.T, destination esm.Destination, payload esm.Payload, get func() string) {
	t.Helper()
	stream := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
	stream.Put("device-17", []byte("poison"))
	stream.Put("device-17", []byte("well"))
	stream.End()
	var want []byte
	mapping, err := esm.New(stream.Source("app"), esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		if string(records[0].Data) == "poison" {
			return esm.Response{}, errors.New("poison")
		}
		return esm.Response{}, nil
	}), esm.Config{
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:consumer", UUID: "5f0c1a2b-0000-4000-8000-000000000001",
		BatchSize: 1, MaximumRetryAttempts: new(0), Logger: slog.New(slog.DiscardHandler),
		OnFailure: esm.DestinationFunc(func(ctx context.Context, f *esm.FailureRecord) error {
			var err error
			if want, err = f.Marshal(payload); err != nil {
				return err
			}
			return destination.Deliver(ctx, f)
		}),
		Observer: func(o esm.Observation) {
			if o.Err != nil && o.Metric != esm.InvokeErrorCount {
				t.Errorf("%s: %v", o.Metric, o.Err)
			}
		},
	})
	check(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, mapping.Run(ctx))
	if lag := stream.Lag("app"); lag != 0 {
		t.Errorf("%d records are not passed", lag)
	}
	var got, wanted any
	check(t, json.Unmarshal([]byte(get()), &got))
	check(t, json.Unmarshal(want, &wanted))
	g, err := json.Marshal(got)
	check(t, err)
	w, err := json.Marshal(wanted)
	check(t, err)
	if !bytes.Equal(g, w) {
		t.Errorf("document\n got %s\nwant %s", g, w)
	}
}

// queue makes a queue and returns its URL, its ARN, and how to get a message of it.
func queue(t *testing.T, client *awssqs.Client, name string) (url, arn string, receive func() string) {
	t.Helper()
	created, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name})
	check(t, err)
	return *created.QueueUrl, "arn:aws:sqs:us-east-1:000000000000:" + name, func() string {
		for until := time.Now().Add(time.Minute); time.Now().Before(until); {
			out, err := client.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: created.QueueUrl, WaitTimeSeconds: 5})
			check(t, err)
			if len(out.Messages) > 0 {
				return *out.Messages[0].Body
			}
		}
		t.Fatalf("no message in queue %s", name)
		return ""
	}
}

func TestRealSQS_DST10(t *testing.T) {
	t.Parallel()
	client := awssqs.NewFromConfig(realConfig(t))
	url, arn, receive := queue(t, client, "failures")
	for _, name := range []string{url, arn, "failures"} {
		d, err := sqsqueue.New(client, name)
		check(t, err)
		giveUp(t, d, esm.NoPayload, receive)
		_, err = client.PurgeQueue(t.Context(), &awssqs.PurgeQueueInput{QueueUrl: &url})
		check(t, err)
	}
}

func TestRealSNS_DST19d(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	client := awssns.NewFromConfig(cfg)
	_, arn, receive := queue(t, awssqs.NewFromConfig(cfg), "of-topic")
	topic, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("failures")})
	check(t, err)
	_, err = client.Subscribe(t.Context(), &awssns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn})
	check(t, err)
	d, err := snstopic.New(client, *topic.TopicArn)
	check(t, err)
	giveUp(t, d, esm.NoPayload, func() string {
		var notification struct {
			Message string `json:"Message"`
		}
		check(t, json.Unmarshal([]byte(receive()), &notification))
		return notification.Message
	})
}

// Real s 3 (DST-30, DST-32).
func TestRealS3(t *testing.T) {
	t.Parallel()
	client := awss3.NewFromConfig(realConfig(t), func(o *awss3.Options) { o.UsePathStyle = true })
	bucket := aws.String("failed-records")
	_, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket})
	check(t, err)
	d, err := s3bucket.New(client, "arn:aws:s3:::failed-records")
	check(t, err)
	giveUp(t, d, esm.TextPayload, func() string {
		list, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{
			Bucket: bucket, Prefix: aws.String("aws/lambda/5f0c1a2b-0000-4000-8000-000000000001/shardId-000000000000/2"),
		})
		check(t, err)
		if len(list.Contents) != 1 {
			t.Fatalf("%d objects", len(list.Contents))
		}
		object, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: list.Contents[0].Key})
		check(t, err)
		defer object.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(object.Body)
		check(t, err)
		return body.String()
	})
}

// Real event bridge (ASYNC-53, ASYNC-56).
func TestRealEventBridge(t *testing.T) {
	t.Parallel()
	cfg := realConfig(t)
	client := awseventbridge.NewFromConfig(cfg)
	_, arn, receive := queue(t, awssqs.NewFromConfig(cfg), "of-bus")
	bus, rule := aws.String("results"), aws.String("failures")
	_, err := client.CreateEventBus(t.Context(), &awseventbridge.CreateEventBusInput{Name: bus})
	check(t, err)
	_, err = client.PutRule(t.Context(), &awseventbridge.PutRuleInput{
		Name: rule, EventBusName: bus,
		EventPattern: aws.String(`{"source":["lambda"],"detail":{"requestContext":{"condition":["RetryAttemptsExhausted"]}}}`),
	})
	check(t, err)
	_, err = client.PutTargets(t.Context(), &awseventbridge.PutTargetsInput{
		Rule: rule, EventBusName: bus, Targets: []eventbridgetypes.Target{{Id: aws.String("1"), Arn: &arn}},
	})
	check(t, err)
	d, err := eventbus.New(client, "arn:aws:events:us-east-1:000000000000:event-bus/results")
	check(t, err)
	giveUp(t, d, esm.ObjectPayload, func() string {
		var event struct {
			Source     string          `json:"source"`
			DetailType string          `json:"detail-type"`
			Resources  []string        `json:"resources"`
			Detail     json.RawMessage `json:"detail"`
		}
		check(t, json.Unmarshal([]byte(receive()), &event))
		if event.Source != "lambda" || event.DetailType != "Lambda Function Invocation Result - Failure" ||
			strings.Join(event.Resources, " ") != "arn:aws:events:us-east-1:000000000000:event-bus/results "+
				"arn:aws:lambda:us-east-1:000000000000:function:consumer:$LATEST" {
			t.Errorf("event %+v", event)
		}
		return string(event.Detail)
	})
}

func TestRealLambda_ASYNC52(t *testing.T) {
	t.Parallel()
	client := awslambda.NewFromConfig(realConfig(t))
	file := filepath.Join(t.TempDir(), "event")
	var code bytes.Buffer
	archive := zip.NewWriter(&code)
	source, err := archive.Create("index.py")
	check(t, err)
	_, err = source.Write([]byte("import json, os\n\ndef handler(event, context):\n" +
		"    with open(os.environ['EVENT_FILE'] + '.new', 'w') as f:\n        json.dump(event, f)\n" +
		"    os.rename(os.environ['EVENT_FILE'] + '.new', os.environ['EVENT_FILE'])\n"))
	check(t, err)
	check(t, archive.Close())
	_, err = client.CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: aws.String("failures"), Role: aws.String("arn:aws:iam::000000000000:role/failures"),
		Runtime: lambdatypes.RuntimePython311, Handler: aws.String("index.handler"),
		Code:        &lambdatypes.FunctionCode{ZipFile: code.Bytes()},
		Environment: &lambdatypes.Environment{Variables: map[string]string{"EVENT_FILE": file}},
	})
	check(t, err)
	d, err := lambdafunction.New(client, "arn:aws:lambda:us-east-1:000000000000:function:failures")
	check(t, err)
	giveUp(t, d, esm.ObjectPayload, func() string {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for until := time.Now().Add(time.Minute); time.Now().Before(until); <-ticker.C {
			if event, err := os.ReadFile(file); err == nil {
				return string(event)
			}
		}
		t.Fatal("the function was not invoked")
		return ""
	})
}

// A target that is not there yet: the delivery waits for it, and says so.
func TestRealMissingTargetIsWaitedFor_P1(t *testing.T) {
	t.Parallel()
	client := awss3.NewFromConfig(realConfig(t), func(o *awss3.Options) { o.UsePathStyle = true })
	d, err := s3bucket.New(client, "not-there-yet")
	check(t, err)
	record := &esm.FailureRecord{RequestID: "1", Partition: "shard", MappingUUID: "uuid"}
	err = d.Deliver(t.Context(), record)
	if missing := (*s3types.NoSuchBucket)(nil); !errors.As(err, &missing) && (err == nil || !strings.Contains(err.Error(), "NoSuchBucket")) {
		t.Errorf("error %v, want NoSuchBucket", err)
	}
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("not-there-yet")})
	check(t, err)
	check(t, d.Deliver(t.Context(), record))
}
