package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func accept(t *testing.T, source sources.Source) sources.Partition {
	t.Helper()
	partition, err := source.Accept(t.Context())
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return partition
}

func fetch(t *testing.T, partition sources.Partition, size int, wait time.Duration) []sources.Record {
	t.Helper()
	buf := make([]sources.Record, size)
	n, err := partition.Fetch(t.Context(), buf, wait)
	if err != nil {
		t.Fatalf("Fetch: %v", err)
	}
	return buf[:n]
}

func ack(t *testing.T, partition sources.Partition, records []sources.Record) {
	t.Helper()
	if err := partition.Ack(t.Context(), records); err != nil {
		t.Fatalf("Ack: %v", err)
	}
}

func bodies(records []sources.Record) string {
	var all []byte
	for _, r := range records {
		all = append(all, r.Data...)
	}
	return string(all)
}

// Dead letter (SQS-51, SQS-52).
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead := memory.NewQueue(memory.QueueOptions{Name: "dead"})
		queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 2, DeadLetter: dead})
		id := queue.Send("poison")
		queue.End()
		partition := accept(t, queue.Source())
		for count := 1; count <= 2; count++ {
			got := fetch(t, partition, 10, time.Minute)
			if len(got) != 1 || got[0].Native.(*memory.Message).ReceiveCount != count {
				t.Fatalf("receive %d: %+v", count, got)
			}
		}
		start := time.Now()
		_, err := partition.Fetch(t.Context(), make([]sources.Record, 1), time.Hour)
		if !errors.Is(err, sources.ErrEnd) || time.Since(start) != 30*time.Second {
			t.Errorf("Fetch: %v after %v, want ErrEnd after the visibility timeout", err, time.Since(start))
		}
		moved := dead.Messages()
		if len(moved) != 1 || moved[0].ID != id || moved[0].Body != "poison" || queue.DeadLettered() != 1 {
			t.Errorf("dead-letter queue has %+v", moved)
		}
	})
}

func TestReleaseCounts_SQS49(t *testing.T) {
	t.Parallel()
	dead := memory.NewQueue(memory.QueueOptions{})
	queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dead})
	queue.Send("a")
	partition := accept(t, queue.Source())
	err := partition.(sources.Releaser).Release(t.Context(), fetch(t, partition, 1, 0))
	if err != nil {
		t.Fatalf("Release: %v", err)
	}
	if got := fetch(t, partition, 1, 0); len(got) != 0 || dead.Len() != 1 {
		t.Errorf("%d records, %d dead-lettered", len(got), dead.Len())
	}
}

// Visibility timeout (SQS-40, SQS-44).
func TestVisibilityTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Minute})
		queue.Send("a")
		partition := accept(t, queue.Source())
		start := time.Now()
		first := fetch(t, partition, 10, time.Hour)
		if want := start.Add(time.Minute); !first[0].Expires.Equal(want) {
			t.Errorf("Expires %v, want %v", first[0].Expires, want)
		}
		if queue.Visible() != 0 || queue.InFlight() != 1 {
			t.Errorf("%d visible, %d in flight", queue.Visible(), queue.InFlight())
		}
		second := fetch(t, partition, 10, time.Hour)
		if len(second) != 1 || time.Since(start) != time.Minute {
			t.Fatalf("%d records after %v, want one after the visibility timeout", len(second), time.Since(start))
		}
		partial, ok := errors.AsType[*sources.AckError](partition.Ack(t.Context(), first))
		if !ok || len(partial.Stale) != 1 {
			t.Errorf("Ack of the first receive: %+v, want it stale (SQS-63)", partial)
		}
		ack(t, partition, second)
		ack(t, partition, first) // deleted by now, which is no concern
	})
}

// TestVisibilityWithManyWaiting has waiters come and go while a message is in
// flight: one of those that are left must see it come back.
func TestVisibilityWithManyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Minute})
		partition := accept(t, queue.Source())
		came := make(chan time.Duration, 100)
		start := time.Now()
		for i := range 100 {
			go func() {
				buf := make([]sources.Record, 1)
				n, err := partition.Fetch(context.Background(), buf, 50*time.Second+time.Duration(i)*time.Second)
				if n > 0 && err == nil {
					came <- time.Since(start)
				}
			}()
		}
		synctest.Wait()
		queue.Send("a")
		time.Sleep(time.Hour)
		synctest.Wait()
		close(came)
		got := make([]time.Duration, 0, 3)
		for at := range came {
			got = append(got, at)
		}
		if want := []time.Duration{0, time.Minute, 2 * time.Minute}; !slices.Equal(got, want) {
			t.Errorf("came at %v, want %v", got, want)
		}
	})
}

// Groups (SQS-30, SQS-32).
func TestGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{FIFO: true})
		for _, body := range []string{"1", "2", "3"} {
			queue.SendGroup("a", body)
		}
		queue.SendGroup("b", "x")
		partition := accept(t, queue.Source())
		first := fetch(t, partition, 2, 0)
		other := fetch(t, partition, 10, 0)
		if bodies(first) != "12" || bodies(other) != "x" {
			t.Fatalf("got %s, then %s; want 12, then x", bodies(first), bodies(other))
		}
		ack(t, partition, first[:1]) // half of the group's flight is still out
		if got := fetch(t, partition, 10, 10*time.Second); len(got) != 0 {
			t.Errorf("%s came although 2 is in flight", bodies(got))
		}
		if got := fetch(t, partition, 10, time.Minute); bodies(got) != "23x" {
			t.Errorf("got %s after the visibility timeout, want 23x", bodies(got))
		}
	})
}

func TestGroupUnblockedByDeadLetter_SQS36(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dead := memory.NewQueue(memory.QueueOptions{FIFO: true})
		queue := memory.NewQueue(memory.QueueOptions{FIFO: true, MaxReceiveCount: 1, DeadLetter: dead})
		queue.SendGroup("a", "poison")
		queue.SendGroup("a", "good")
		partition := accept(t, queue.Source())
		fetch(t, partition, 1, 0)
		if got := fetch(t, partition, 1, time.Minute); bodies(got) != "good" || dead.Bodies()[0] != "poison" {
			t.Errorf("got %s, dead %v", bodies(got), dead.Bodies())
		}
	})
}

func TestEndWakesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{})
		queue.Send("a")
		source := queue.Source()
		partition := accept(t, source)
		records := fetch(t, partition, 1, 0)
		ended := make(chan error)
		for range 3 {
			go func() {
				_, err := partition.Fetch(context.Background(), make([]sources.Record, 1), time.Second)
				ended <- err
			}()
		}
		go func() {
			_, err := source.Accept(context.Background())
			ended <- err
		}()
		synctest.Wait()
		queue.End()
		synctest.Wait()
		ack(t, partition, records)
		for range 4 {
			if err := <-ended; !errors.Is(err, sources.ErrEnd) {
				t.Errorf("error %v, want %v", err, sources.ErrEnd)
			}
		}
		queue.Send("late")
		if got := fetch(t, partition, 1, 0); bodies(got) != "late" {
			t.Errorf("got %q, want the late message", bodies(got))
		}
	})
}

func TestSQSEvent_SQS90(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		queue := memory.NewQueue(memory.QueueOptions{Name: "orders", FIFO: fifo})
		id := queue.SendGroup("g", `{"a":1}`)
		source := queue.Source()
		records := fetch(t, accept(t, source), 1, 0)
		document := source.(sources.EventAppender).AppendEvent(nil, "orders", records)
		var event events.SQSEvent
		if err := json.Unmarshal(document, &event); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		m := event.Records[0]
		if m.MessageId != id || m.Body != `{"a":1}` || m.EventSource != "aws:sqs" || m.AWSRegion != "us-east-1" ||
			m.EventSourceARN != "arn:aws:sqs:us-east-1:000000000000:orders" ||
			m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["MessageGroupId"] != "g" {
			t.Errorf("event %s", document)
		}
		if traits := source.Traits(); len(document) != records[0].Size+traits.EventOverhead {
			t.Errorf("%d bytes, Size %d and overhead %d", len(document), records[0].Size, traits.EventOverhead)
		}
	}
}

func TestMessagesInOrder(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		queue := memory.NewQueue(memory.QueueOptions{FIFO: fifo})
		want := make([]string, 20)
		for i := range want {
			want[i] = strconv.Itoa(i)
			queue.SendGroup(strconv.Itoa(i%3), want[i])
		}
		fetch(t, accept(t, queue.Source()), 7, 0)
		if got := queue.Bodies(); !slices.Equal(got, want) {
			t.Errorf("FIFO %t: %v", fifo, got)
		}
	}
}

func TestFetchAckAllocate(t *testing.T) { //nolint:paralleltest // counts allocations
	const batch, runs = 100, 20
	queue := memory.NewQueue(memory.QueueOptions{})
	for range batch * (runs + 1) {
		queue.Send("body")
	}
	source := queue.Source()
	partition := accept(t, source)
	buf := make([]sources.Record, batch)
	document := make([]byte, 0, 1<<20)
	appender := source.(sources.EventAppender)
	allocations := testing.AllocsPerRun(runs, func() {
		n, err := partition.Fetch(t.Context(), buf, 0)
		document = appender.AppendEvent(document[:0], "", buf[:n])
		if err = errors.Join(err, partition.Ack(t.Context(), buf[:n])); err != nil || n != batch {
			t.Fatalf("%d records, %v", n, err)
		}
	})
	if allocations > 3 {
		t.Errorf("%v allocations for %d records, want a few for all of them", allocations, batch)
	}
}
