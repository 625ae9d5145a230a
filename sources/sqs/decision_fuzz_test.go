package sqs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/openesm/openesm/sources"
)

// lastWord is a code without the prefix of the older protocol.
func lastWord(code string) string {
	words := strings.Split(code, ".")

	return words[len(words)-1]
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails

	return data
}

// FuzzCode judges any error code, wrapped as the SDK wraps it. Only a missing
// queue and a missing permission are told to be for good (SQS-03, API-64), and
// no text repeats the service's message (P13).
func FuzzCode(f *testing.F) {
	for _, code := range []string{
		"", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "AccessDenied", "AccessDeniedException", "x.AccessDenied",
		"AccessDenied.x", "ExpiredToken", "ReceiptHandleIsInvalid", "InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight", ".",
	} {
		f.Add(code, 400, true)
		f.Add(code, 503, false)
	}

	f.Fuzz(func(t *testing.T, code string, status int, sender bool) {
		const message = "a message of the service"

		word := lastWord(code)
		missing := word == "NonExistentQueue" || word == "QueueDoesNotExist"
		denied := word == "AccessDenied" || word == "AccessDeniedException"

		var err error = &smithy.OperationError{ServiceID: "SQS", OperationName: "X", Err: &awshttp.ResponseError{
			ResponseError: &smithyhttp.ResponseError{
				Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
				Err:      &smithy.GenericAPIError{Code: code, Message: message},
			},
		}}

		s := &Source{queue: queue{name: "orders"}}

		refused := s.refused("GetQueueAttributes", err)
		if errors.Is(refused, sources.ErrUnusable) != (missing || denied) {
			t.Errorf("%q: %v", code, refused)
		}

		text := refused.Error()
		if strings.Contains(text, message) || !strings.Contains(text, "queue orders") || !missing && !strings.Contains(text, code) {
			t.Errorf("%q: %v", code, refused)
		}

		stale := word == "ReceiptHandleIsInvalid" || word == "MessageNotInflight" || word == "InvalidParameterValue" && sender
		if got := isStale(&types.BatchResultErrorEntry{Code: &code, SenderFault: sender}); got != stale {
			t.Errorf("%q: stale %t", code, got)
		}
	})
}

// FuzzVisibility starts on a queue with any attributes. What is accepted hides
// messages as long as they may be handled (SQS-41, SQS-43), and for twelve hours
// at most if it is asked for.
func FuzzVisibility(f *testing.F) {
	f.Add("30", 3, 0, 0, false, standardQueue)
	f.Add("0", 3, 0, 0, false, "")
	f.Add("2147483648", 1, 1, 0, true, "::::::")
	f.Add("-5", 900, 300, 5, false, "a:b:c:d:e:f")
	f.Add("43200", 900, 300, 43_200, true, "x")
	f.Add("60", 60, 1, 0, false, standardQueue)
	f.Fuzz(func(t *testing.T, text string, timeout, window, option int, heartbeat bool, arn string) {
		settings := sources.Settings{
			BatchSize: 10, Timeout: time.Duration(1+abs(timeout)%900) * time.Second, Window: time.Duration(abs(window)%301) * time.Second,
		}

		s := &Source{queue: queue{name: "orders"}, given: "orders", options: Options{
			Heartbeat: heartbeat, VisibilityTimeout: time.Duration(abs(option)%43_201) * time.Second, Logger: slog.New(slog.DiscardHandler),
		}}

		attributes := map[string]string{"VisibilityTimeout": text, "QueueArn": arn}
		if s.encoder(attributes, settings) == nil || s.sameQueue(attributes) != nil {
			t.Fatalf("attributes %q are refused", attributes)
		}

		visibility, override, err := s.visibility(attributes, settings)

		want, bad := s.options.VisibilityTimeout, error(nil)
		if want == 0 {
			var n uint64

			n, bad = strconv.ParseUint(text, 10, 31)
			want = time.Duration(n) * time.Second
		}

		if want == 0 || bad != nil || settings.Timeout > want && !heartbeat {
			if !errors.Is(err, sources.ErrUnusable) {
				t.Fatalf("%q, %+v: %v", text, settings, err)
			}

			return
		}

		asked := s.options.VisibilityTimeout > 0
		if both := settings.Window + settings.Timeout; settings.Window > 0 && both > want {
			want, asked = both+30*time.Second, true
		}

		if err != nil || visibility != want || asked != (override > 0) || asked && time.Duration(override)*time.Second != want ||
			override > 43_200 {
			t.Fatalf("%q, %+v: %v, asks for %d, %v; want %v", text, settings, visibility, override, err, want)
		}
	})
}

const standardQueue = "arn:aws:sqs:eu-west-1:123456789012:orders"

func abs(n int) int { return max(n, -(n + 1)) }

// FuzzDelays holds the back-off of failed messages to whole seconds between none
// and its ceiling, which doubles, never beyond what is left of the 12 hours.
func FuzzDelays(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Hour), "1", int64(time.Minute), true)
	f.Add(int64(1), int64(longestVisibility), "99999999999", int64(longestVisibility), false)
	f.Add(int64(longestVisibility), int64(longestVisibility), "-1", int64(0), false)
	f.Fuzz(func(t *testing.T, initial, most int64, receives string, left int64, fifo bool) {
		b := Backoff{Initial: time.Duration(initial), Max: time.Duration(most)}
		if b.validate() != nil || b.Initial == 0 {
			return
		}

		b = Options{FailureBackoff: b}.withDefaults().FailureBackoff
		limit := min(max(time.Duration(left), 0), longestVisibility)

		ceiling := b.Initial
		for n, _ := strconv.Atoi(receives); n > 1 && ceiling < b.Max; n-- {
			ceiling *= 2
		}

		ceiling = min(ceiling, b.Max)
		record := sources.Record{Native: &types.Message{Attributes: map[string]string{"ApproximateReceiveCount": receives}}}
		delays := b.delays(fifo, limit)

		first := delays(&record)
		for range 5 {
			delay := delays(&record)
			if longest := min(ceiling, limit).Round(time.Second); delay < 0 || time.Duration(delay)*time.Second > longest+2*time.Nanosecond {
				t.Fatalf("%+v after %s receives: %d s, at most %v", b, receives, delay, longest)
			}

			if fifo && delay != first {
				t.Fatalf("one failed batch of a FIFO queue has delays %d and %d", first, delay)
			}
		}
	})
}

// FuzzStock puts and takes arrivals as a plain list of records would, with what
// expires dropped. A byte is a step.
func FuzzStock(f *testing.F) {
	f.Add(true, []byte{3, 0x83, 5, 0x82, 0x8a, 0x40})
	f.Add(false, []byte{3, 0x82, 5, 0xc1, 0x89, 0x40, 2})
	for seed := range byte(16) {
		f.Add(seed%2 == 0, noise(seed, 200))
	}

	f.Fuzz(func(t *testing.T, whole bool, steps []byte) {
		s := stock{whole: whole, slow: time.Second}
		m := &stockModel{whole: whole}
		now := time.Unix(0, 0)

		for i, step := range steps[:min(len(steps), 200)] {
			value := int(step & 0x3f)

			switch step >> 6 {
			case 0: // a receive
				a := arrival{at: now, expires: now.Add(time.Duration(value) * time.Second)}
				for range value % 11 {
					m.put++
					a.records = append(a.records, sources.Record{ID: strconv.Itoa(m.put)})
				}

				s.put(a)
				m.arrivals = append(m.arrivals, modelArrival{expires: a.expires, records: texts(a.records)})
				clear(a.records) // they are somebody else's now
			case 1:
				now = now.Add(time.Duration(value) * 100 * time.Millisecond)
			case 2:
				buf := make([]sources.Record, 1+value%12)

				n := s.take(buf, now)
				if got, want := texts(buf[:n]), m.take(len(buf), now); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("step %d: took %q, want %q", i, got, want)
				}
			case 3:
				if value%8 > 0 {
					continue // seldom
				}

				if got, want := texts(s.empty(now)), m.empty(now); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("step %d: emptied %q, want %q", i, got, want)
				}
			}
		}
	})
}

func texts(records []sources.Record) []string {
	var all []string
	for i := range records {
		all = append(all, records[i].ID)
	}

	return all
}

// stockModel is a stock as a list of lists.
type stockModel struct {
	whole    bool
	put      int
	arrivals []modelArrival
}

type modelArrival struct {
	expires time.Time
	records []string
}

// fresh forgets what is empty or has expired.
func (m *stockModel) fresh(now time.Time) {
	var left []modelArrival

	for _, a := range m.arrivals {
		if len(a.records) > 0 && now.Before(a.expires) {
			left = append(left, a)
		}
	}

	m.arrivals = left
}

func (m *stockModel) take(places int, now time.Time) []string {
	m.fresh(now)

	var got []string

	for i := range m.arrivals {
		a := &m.arrivals[i]
		n := min(len(a.records), places-len(got))

		if m.whole && n < len(a.records) {
			continue
		}

		got = append(got, a.records[:n]...)
		a.records = a.records[n:]

		if m.whole {
			break
		}
	}

	return got
}

func (m *stockModel) empty(now time.Time) []string {
	m.fresh(now)

	var all []string
	for _, a := range m.arrivals {
		all = append(all, a.records...)
	}

	m.arrivals = nil

	return all
}

// named makes records with ids of their own, and the same each time.
func named(n int) []sources.Record {
	records := make([]sources.Record, n)
	for i := range records {
		records[i].ID = strconv.Itoa(i)
	}

	return records
}

// Deletes that fail again and again, as during an outage, fill no memory and
// push nothing out of it.
func TestHandledRemembersThroughAnOutage_SQS62(t *testing.T) {
	t.Parallel()

	var h handled

	records := named(300)
	for range 100 { // attempts
		h.update(records, records)
	}

	if fresh, _ := h.split(named(300)); len(fresh) > 0 {
		t.Errorf("%d of %d records are forgotten", len(fresh), len(records))
	}

	h.update(records)

	if fresh, _ := h.split(named(300)); len(fresh) != len(records) || len(h.ring) > mostHandled {
		t.Errorf("%d of %d records are forgotten once deleted", len(fresh), len(records))
	}
}

// FuzzHandled remembers and forgets ids as a set does, as long as there are
// fewer than it is bound to, however often they come and go.
func FuzzHandled(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0x81, 0x41, 1, 0x41})
	f.Add(bytes.Repeat([]byte{0xff, 1, 0x7f, 2, 0x42}, 12))
	f.Add(append(bytes.Repeat([]byte{0xff, 0x7f}, 16), 1, 0xff, 0x81, 0x7f, 0xff, 0x81, 0x82))
	f.Add([]byte{0xff, 0xf7, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbf, 0x41, 0xff})
	for seed := range byte(4) {
		f.Add(noise(seed, 60))
	}

	f.Fuzz(func(t *testing.T, steps []byte) {
		var h handled

		known := map[string]bool{}

		for i, step := range steps[:min(len(steps), 60)] {
			value := int(step & 0x3f)
			record := sources.Record{ID: strconv.Itoa(value)}

			switch step >> 6 {
			case 0: // a delete was not confirmed
				h.update([]sources.Record{record}, nil, []sources.Record{record})
				known[record.ID] = true
			case 1: // it was, or many were
				records := append(named(10*(value/32*value)), record)
				h.update(records)

				for _, r := range records {
					delete(known, r.ID)
				}
			case 2: // a receive brings it, and another
				other := sources.Record{ID: "other"}

				fresh, repeats := h.split([]sources.Record{other, record})
				if len(fresh)+len(repeats) != 2 || fresh[0].ID != "other" || (len(repeats) == 1) != known[record.ID] {
					t.Fatalf("step %d: %q fresh, %q repeats; known %t", i, texts(fresh), texts(repeats), known[record.ID])
				}
			case 3: // many fail, and fail again
				records := named(10 * value)
				for range 5 {
					h.update(records, records)
				}

				for _, r := range records {
					known[r.ID] = true
				}
			}
		}

		if len(h.ids) != len(known) || len(h.ring) > mostHandled {
			t.Fatalf("%d ids, want %d; a ring of %d", len(h.ids), len(known), len(h.ring))
		}
	})
}
