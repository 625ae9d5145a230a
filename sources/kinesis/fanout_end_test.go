package kinesis_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// The last event of a shard has no number and names the children, which follow once
// all was acked (KIN-66) (KIN-84, KIN-86).
func TestFanOutShardEnd(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(2, 1)
		s, p := f.open(kinesis.Options{})
		records := f.want(p, 0, 2)
		children, err := f.Split(telemetry, fanFirst)
		if err != nil {
			t.Fatal(err)
		}
		f.setFault(fail("ListShards", kinesistest.InternalFailure())) // it is not needed
		_, err = f.take(p, 1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Fatalf("got error %v, want the end", err)
		}
		synctest.Wait()
		if n := f.subscribers(); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		err = errors.Join(p.Ack(t.Context(), records), p.Close(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		f.put(8, 8)
		got := 0
		for range children {
			child, err := s.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			some, err := f.take(child, 0, 10*time.Second)
			if err != nil {
				t.Error(err)
			}
			got += len(some)
			_ = child.Close(t.Context())
		}
		if got != 8 {
			t.Errorf("%d records from the children", got)
		}
		f.opened = nil
		_ = s.Close(t.Context())
	})
}

// A shard that is gone has ended, if the list says so too (KIN-74, KIN-88).
func TestFanOutShardGone(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(1, 1)
		f.setFault(every(kinesistest.Fault{Err: kinesistest.ResourceNotFound()}))
		s, p := f.open(kinesis.Options{})
		_, err := f.take(p, 1, time.Minute)
		if awscall.Code(err) != "ResourceNotFoundException" {
			t.Errorf("got error %v, want the service's, since the shard is listed", err)
		}
		_, err = f.Split(telemetry, fanFirst)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Expire(telemetry, fanFirst)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.take(p, 1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Errorf("got error %v, want the end", err)
		}
		f.shut(s, p)
	})
}

// Close cuts off whatever is under way.
func TestFanOutClose_P11(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kinesistest.Fault{
		"idle": {}, "before the answer": {Delay: time.Hour}, "broken": {Stream: &kinesistest.Break{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(_ *testing.T, f *fan) {
				f.setFault(every(fault))
				s, p := f.open(kinesis.Options{})
				_, _ = f.take(p, 0, 2*time.Second)
				f.put(5000, 1) // more than there is room for
				synctest.Wait()
				f.shut(s, p)
			})
		})
	}
}

// A Fetch that is cut off loses nothing, and the subscription stays.
func TestFanOutCancelledFetch(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, p := f.open(kinesis.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		n, err := p.Fetch(ctx, make([]sources.Record, 1), time.Hour)
		if n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch: %d, %v", n, err)
		}
		cancel()
		f.put(2, 1)
		f.want(p, 0, 2)
		if n := len(f.asked()); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
		f.shut(s, p)
	})
}

// A subscription ends at once when the lease is lost, though nobody fetches or
// closes: the new owner is waiting.
func TestFanOutLost_KIN83(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    kinesistest.Fault
		records  int
		fetching bool
	}{
		"fetching": {fetching: true}, "event in hand": {records: 5000}, "before the answer": {fault: kinesistest.Fault{Delay: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.setFault(every(c.fault))
				s, p := f.open(kinesis.Options{})
				f.none(p, 10*time.Second)
				f.put(c.records, 1)
				f.steal("thief")
				var fetching sync.WaitGroup
				if c.fetching {
					fetching.Go(func() {
						_, err := p.Fetch(t.Context(), make([]sources.Record, 1), time.Hour)
						if !errors.Is(err, sources.ErrLost) {
							t.Errorf("got error %v, want the loss", err)
						}
					})
				}
				revocable, ok := p.(sources.Revocable)
				if !ok {
					t.Fatal("not Revocable")
				}
				lost := make(chan struct{})
				revocable.OnRevoke(nil, func() { close(lost) })
				<-lost
				synctest.Wait()
				if n := f.subscribers(); n != 0 {
					t.Errorf("%d subscriptions are left", n)
				}
				fetching.Wait()
				_, err := f.take(p, 1, time.Minute)
				if !errors.Is(err, sources.ErrLost) {
					t.Errorf("got error %v, want the loss", err)
				}
				f.shut(s, p)
			})
		})
	}
}
