package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

// In real time: the client waits for more than a bubble can see.
func TestTheAccountAddsUp(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"member-1 reads orders-",
		"member-2 reads orders-0",
		"member-2 reads orders-1",
		"member-2 reads orders-2",
		"member-2 reads orders-3",
		"member-3 reads orders-",
		"gives up 1 order of orders-",
		"lost                0\n",
		"handled twice       0\n",
		"out of order        0\n",
		"not committed       0\n",
		"It adds up",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output has no %q", want)
		}
	}
	if _, after, stopped := strings.Cut(out.String(), "member-1 has stopped"); !stopped || strings.Contains(after, "member-1 ") {
		t.Error("member-1 does not stop, or goes on")
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func newMapping(brokers []string, entries ...access.Config) (*esm.Mapping, error) {
	source, err := kafka.New(kafka.Options{
		BootstrapServers: brokers,
		Topics:           []string{"orders"},
		ConsumerGroupID:  "billing",
		Access:           entries,
	})
	if err != nil {
		return nil, err
	}
	return esm.New(source, esm.Typed(handle), esm.Config{BatchSize: 500})
}

func handle(_ context.Context, event events.KafkaEvent) error {
	for partition, records := range event.Records {
		for _, record := range records {
			value, err := base64.StdEncoding.DecodeString(record.Value)
			if err != nil {
				return err
			}
			fmt.Println(partition, record.Offset, string(value))
		}
	}
	return nil // the offset moves on; an error retries the batch in place
}

// TestReadmeShowsThisCode holds the README to what is compiled here, and run
// against a fake.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("main_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for begin, end := range map[string]string{
		"\nfunc newMapping(":                     "\n\n// TestReadme",
		"\n\tmapping, err := newMapping(brokers": "\n",
	} {
		_, rest, _ := bytes.Cut(code, []byte(begin))
		shown, _, found := bytes.Cut(rest, []byte(end))
		if !found || !bytes.Contains(readme, fmt.Appendf(nil, "```go\n%s%s\n```", strings.TrimSpace(begin), shown)) {
			t.Errorf("README.md does not show %s… as it is here", strings.TrimSpace(begin))
		}
	}
}

func TestReadmeAccess(t *testing.T) {
	t.Parallel()
	brokers := []string{"b-1.orders.example.com:9098"}
	cfg := aws.Config{Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", "")}
	mapping, err := newMapping(brokers, access.IAM(cfg.Credentials, "eu-west-1")) // Amazon MSK, port 9098
	if err != nil || mapping == nil {
		t.Error(mapping, err)
	}
}

// TestReadmeCodeRuns runs it in plain text, and as on Amazon MSK with a secret.
func TestReadmeCodeRuns(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, c := range map[string]struct {
		broker  []kfake.Opt
		entries []access.Config
	}{
		"plain text": {},
		"SCRAM": {
			[]kfake.Opt{
				kfake.TLS(&tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12}),
				kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "billing", "hunter2"),
			},
			[]access.Config{access.SASLSCRAM512("billing", "hunter2"), access.ServerRootCA(ca)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(append(c.broker, kfake.SeedTopics(1, topic))...)
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			mapping, err := newMapping(cluster.ListenAddrs(), c.entries...)
			if err != nil {
				t.Fatal(err)
			}
			options, err := access.Options(c.entries...)
			if err != nil {
				t.Fatal(err)
			}
			client, err := kgo.NewClient(append(options, kgo.SeedBrokers(cluster.ListenAddrs()...))...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("order 1")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- mapping.Run(ctx) }()
			_, err = cluster.WaitGroupInfo(ctx, group, func(g *kfake.GroupInfo) bool {
				return g != nil && g.Commits[topic][0].Offset == 1
			})
			if err != nil {
				t.Errorf("nothing is committed: %v", err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
