package kinesis_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// counting is a transport that counts the bytes of answers that are read.
type counting struct {
	http.RoundTripper

	read *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = countingBody{answer.Body, c.read}
	}
	return answer, err
}

type countingBody struct {
	io.ReadCloser

	read *atomic.Int64
}

func (b countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

// While nobody fetches a subscription is not read, but for three events, however
// long it takes. What its end cuts off comes by the next one.
func TestFanOutSlowHandler_P7(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kinesistest.Fault{"ends": {}, "is cut": {Stream: &kinesistest.Break{After: 10}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				const (
					records = 24
					event   = 1<<20*4/3 + 1<<12 // bytes on the wire
				)
				var read atomic.Int64
				f.Inject("SubscribeToShard", fault)
				f.api = f.Client(func(o *awskinesis.Options) {
					o.HTTPClient = &http.Client{Transport: counting{f.HTTPClient().Transport, &read}}
				})
				f.put(1, 1)
				s, p := f.open(kinesis.Options{})
				f.want(p, 0, 1)
				body := strings.Repeat("x", 1<<20-100)
				for range records {
					_, _, err := f.Put(telemetry, "key-0", []byte(body))
					if err != nil {
						t.Fatal(err)
					}
				}
				before := read.Load()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if got := read.Load() - before; got < event || got > 4*event {
					t.Errorf("%d bytes were read, want up to three events of %d and a little", got, event)
				}
				n := 0
				for until := time.Now().Add(3 * time.Minute); n < records && time.Now().Before(until); {
					some, err := f.take(p, 1, time.Until(until))
					n += len(some)
					if err != nil {
						t.Errorf("Fetch: %v", err)
					}
				}
				f.none(p, time.Minute)
				if n != records {
					t.Errorf("%d records, want %d", n, records)
				}
				f.shut(s, p)
			})
		})
	}
}
