package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// TestReadmeShowsThisProgram holds the README to the program that
// TestProgramConsumesAQueue runs.
func TestReadmeShowsThisProgram(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, append([]byte("```go\n"), program...)) {
		t.Error("README.md does not show examples/sqs/main.go as it is")
	}
}

// TestProgramConsumesAQueue runs the program against an SQS on the loopback
// interface, as a user would against AWS, and interrupts it.
func TestProgramConsumesAQueue(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fake := sqstest.New()
	defer fake.Close()
	server := httptest.NewServer(fake)
	defer server.Close()
	const arn = "arn:aws:sqs:eu-west-1:123456789012:invoices"
	if _, err := fake.AddQueue(arn, nil); err != nil {
		t.Fatal(err)
	}
	ids, err := fake.Send(arn, "first", "second", "third")
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, program, arn)
	run.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SQS="+server.URL, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true")
	var out, log bytes.Buffer
	run.Stdout, run.Stderr = &out, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for fake.Counts(arn).Deleted < len(ids) {
		select {
		case <-ctx.Done():
			t.Fatalf("not all deleted: %+v\n%s", fake.Counts(arn), log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Second, server.CloseClientConnections) // ends the open long polls
	if err := run.Wait(); err != nil {
		t.Errorf("after the interrupt: %v\n%s", err, log.String())
	}
	for i, body := range []string{"first", "second", "third"} {
		if !strings.Contains(out.String(), ids[i]+" "+body+"\n") {
			t.Errorf("the output does not show %s %s:\n%s", ids[i], body, out.String())
		}
	}
	if strings.Contains(log.String(), "third") {
		t.Errorf("the log tells a payload:\n%s", log.String())
	}
}
