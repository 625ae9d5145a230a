package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
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

const arn = "arn:aws:sqs:eu-west-1:123456789012:invoices"

// build builds the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// command is the program as it runs against the SQS at endpoint.
func command(ctx context.Context, program, endpoint string) *exec.Cmd {
	run := exec.CommandContext(ctx, program, arn)
	run.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SQS="+endpoint, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true")
	return run
}

// TestProgramWithoutAQueueSaysHowToRunIt runs it as somebody does who tries it.
func TestProgramWithoutAQueueSaysHowToRunIt(t *testing.T) {
	t.Parallel()
	run := exec.CommandContext(t.Context(), build(t))
	out, err := run.CombinedOutput()
	if err == nil || run.ProcessState.ExitCode() != 2 || string(out) != "usage: go run ./examples/sqs QUEUE\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSecondInterruptEndsTheProgram interrupts it while a long poll of 20 s is under
// way, for whose end the first interrupt has it wait.
func TestSecondInterruptEndsTheProgram(t *testing.T) {
	t.Parallel()
	program := build(t)
	fake := sqstest.New()
	defer fake.Close()
	polling := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
			select {
			case polling <- struct{}{}:
			default:
			}
		}
		fake.ServeHTTP(w, r)
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	if _, err := fake.AddQueue(arn, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := command(ctx, program, server.URL)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- run.Wait() }()
	select {
	case <-polling:
	case err := <-over:
		t.Fatal(err)
	}
	start := time.Now()
	for {
		if err := run.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-over: //nolint:errcheck // how it ended is what is looked at
			status, ok := run.ProcessState.Sys().(syscall.WaitStatus)
			if took := time.Since(start); !ok || !status.Signaled() || took > 15*time.Second {
				t.Errorf("ended after %v: %v", took, run.ProcessState)
			}
			return
		case <-time.After(100 * time.Millisecond): // once more, as a user would; real time: another process
		}
	}
}

// TestProgramConsumesAQueue runs the program against an SQS on the loopback
// interface, as a user would against AWS, and interrupts it.
func TestProgramConsumesAQueue(t *testing.T) {
	t.Parallel()
	program := build(t)
	fake := sqstest.New()
	defer fake.Close()
	server := httptest.NewServer(fake)
	defer server.Close()
	if _, err := fake.AddQueue(arn, nil); err != nil {
		t.Fatal(err)
	}
	ids, err := fake.Send(arn, "first", "second", "third")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run := command(ctx, program, server.URL)
	var out, log bytes.Buffer
	run.Stdout, run.Stderr = &out, &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for fake.Counts(arn).Deleted < len(ids) {
		select {
		case <-ctx.Done():
			t.Fatalf("not all deleted: %+v\n%s", fake.Counts(arn), log.String())
		case <-time.After(10 * time.Millisecond): // real time: another process
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
