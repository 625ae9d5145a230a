package sqs

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
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
		"AccessDenied.x", "KMS.AccessDeniedException", "ExpiredToken", "ReceiptHandleIsInvalid", "InvalidParameterValue", "AWS.SimpleQueueService.MessageNotInflight", ".",
	} {
		f.Add(code, 400, true)
		f.Add(code, 503, false)
	}
	f.Fuzz(func(t *testing.T, code string, status int, sender bool) {
		const message = "a message of the service"
		word := lastWord(code)
		missing := word == "NonExistentQueue" || word == "QueueDoesNotExist"
		denied := (word == "AccessDenied" || word == "AccessDeniedException") && !strings.HasPrefix(strings.ToUpper(code), "KMS")
		var err error = &smithy.OperationError{ServiceID: "SQS", OperationName: "X", Err: &awshttp.ResponseError{
			ResponseError: &smithyhttp.ResponseError{
				Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
				Err:      &smithy.GenericAPIError{Code: code, Message: message},
			},
		}}
		s := &Source{queue: awscall.Queue{Name: "orders"}}
		refused := s.refused("GetQueueAttributes", err)
		if errors.Is(refused, sources.ErrUnusable) != (missing || denied) {
			t.Errorf("%q: %v", code, refused)
		}
		text := refused.Error()
		if strings.Contains(text, message) || !strings.Contains(text, "queue orders") || !missing && !strings.Contains(text, awscall.Printable(code)) {
			t.Errorf("%q: %v", code, refused)
		}
		stale := word == "ReceiptHandleIsInvalid" || word == "MessageNotInflight" || word == "InvalidParameterValue" && sender
		if got := isStale(&types.BatchResultErrorEntry{Code: &code, SenderFault: sender}); got != stale {
			t.Errorf("%q: stale %t", code, got)
		}
	})
}

// FuzzVisibility starts on a queue with any attributes. What is accepted hides
// messages as long as they may be received, gathered and handled (SQS-41), and for
// twelve hours at most.
func FuzzVisibility(f *testing.F) {
	f.Add("30", 3, 0, 0, 20, false, standardQueue)
	f.Add("0", 3, 0, 0, 20, false, "")
	f.Add("2147483648", 1, 1, 0, 1, true, "::::::")
	f.Add("-5", 900, 300, 5, 20, false, "a:b:c:d:e:f")
	f.Add("43200", 900, 300, 43_200, 20, true, "x")
	f.Add("60", 60, 1, 0, 5, false, standardQueue)
	f.Fuzz(func(t *testing.T, text string, timeout, window, option, wait int, heartbeat bool, arn string) {
		settings := sources.Settings{
			BatchSize: 10, Timeout: time.Duration(1+abs(timeout)%900_000) * time.Millisecond, Window: time.Duration(abs(window)%301) * time.Second,
		}
		s := &Source{queue: awscall.Queue{Name: "orders"}, given: "orders", options: Options{
			Heartbeat: heartbeat, VisibilityTimeout: time.Duration(abs(option)%43_201) * time.Second,
			WaitTime: time.Duration(1+abs(wait)%20) * time.Second,
		}}
		attributes := map[string]string{"VisibilityTimeout": text, "QueueArn": arn}
		if s.encoder(attributes, settings) == nil || s.sameQueue(attributes) != nil {
			t.Fatalf("attributes %q are refused", attributes)
		}
		n, bad := strconv.ParseUint(text, 10, 31)
		if _, err := queueVisibility(attributes); (err != nil) != (bad != nil) {
			t.Fatalf("%q: %v", text, err)
		}
		own := s.options.VisibilityTimeout
		if own == 0 && bad != nil {
			return
		}
		if own == 0 {
			own = time.Duration(n) * time.Second
		}
		visibility, err := s.visibility(attributes, settings)
		if own == 0 || settings.Timeout > own && !heartbeat {
			if !errors.Is(err, sources.ErrUnusable) {
				t.Fatalf("%q, %+v: %v", text, settings, err)
			}
			return
		}
		life, hidden := s.life(visibility, settings)
		need := settings.Window + settings.Timeout + s.options.WaitTime + 10*time.Second
		switch asked := time.Duration(hidden) * time.Second; {
		case err != nil || visibility != own:
			t.Fatalf("%q: %v, %v; want %v", text, visibility, err, own)
		case life < min(need, maxVisibility-margin) || life > maxVisibility-margin || life > max(need, own-margin)+time.Second || life%time.Second != 0:
			t.Fatalf("%q, %+v: a record is the mapping's for %v", text, settings, life)
		case heartbeat && asked != max(own, 20*time.Second), !heartbeat && asked != life+margin:
			t.Fatalf("%q, %+v: hidden for %v, the mapping's for %v", text, settings, asked, life)
		}
	})
}

const standardQueue = "arn:aws:sqs:eu-west-1:123456789012:orders"

func abs(n int) int { return max(n, -(n + 1)) }

// FuzzDelays holds the back-off of failed messages to whole seconds between none
// and its ceiling, which doubles, never beyond what is left of the 12 hours.
func FuzzDelays(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Hour), "1", int64(time.Minute), true)
	f.Add(int64(1), int64(maxVisibility), "99999999999", int64(maxVisibility), false)
	f.Add(int64(maxVisibility), int64(maxVisibility), "-1", int64(0), false)
	f.Fuzz(func(t *testing.T, initial, most int64, receives string, left int64, fifo bool) {
		b := retry.Backoff{Initial: time.Duration(initial), Max: time.Duration(most)}
		if checkBackoff(b) != nil || b.Initial == 0 {
			return
		}
		b = Options{FailureBackoff: b}.withDefaults().FailureBackoff
		limit := min(max(time.Duration(left), 0), maxVisibility)
		ceiling := b.Initial
		for n, _ := strconv.Atoi(receives); n > 1 && ceiling < b.Max; n-- {
			ceiling *= 2
		}
		ceiling = min(ceiling, b.Max)
		record := sources.Record{Native: &types.Message{Attributes: map[string]string{"ApproximateReceiveCount": receives}}}
		next := delays(b, rand.Float64, fifo, limit)
		first := next(&record)
		for range 5 {
			delay := next(&record)
			if longest := min(ceiling, limit).Round(time.Second); delay < 0 || time.Duration(delay)*time.Second > longest+2*time.Nanosecond {
				t.Fatalf("%+v after %s receives: %d s, at most %v", b, receives, delay, longest)
			}
			if fifo && delay != first {
				t.Fatalf("one failed batch of a FIFO queue has delays %d and %d", first, delay)
			}
		}
	})
}

// FuzzLate puts and takes arrivals as a plain list of records would. A byte is a
// step.
func FuzzLate(f *testing.F) {
	f.Add(true, []byte{3, 0x83, 5, 0x82, 0x8a, 0xc0})
	f.Add(false, []byte{3, 0x82, 5, 0xc1, 0x89, 0xc0, 2})
	for seed := range byte(16) {
		f.Add(seed%2 == 0, noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, whole bool, steps []byte) {
		l, m := late{whole: whole}, &lateModel{whole: whole}
		for i, step := range steps[:min(len(steps), 200)] {
			value := int(step & 0x3f)
			switch step >> 6 {
			case 0, 1: // a receive
				var records []sources.Record
				for range value % 11 {
					m.put++
					records = append(records, sources.Record{ID: strconv.Itoa(m.put)})
				}
				l.put(arrival{records: records})
				m.arrivals = append(m.arrivals, texts(records))
				clear(records) // they are somebody else's now
			case 2:
				buf := make([]sources.Record, 1+value%12)
				n := l.take(buf)
				if got, want := texts(buf[:n]), m.take(len(buf)); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("step %d: took %q, want %q", i, got, want)
				}
			case 3:
				if value%8 > 0 {
					continue // seldom
				}
				if got, want := texts(l.empty()), slices.Concat(m.arrivals...); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("step %d: emptied %q, want %q", i, got, want)
				}
				m.arrivals = nil
			}
		}
	})
}

// lateModel is late as a list of lists.
type lateModel struct {
	whole    bool
	put      int
	arrivals [][]string
}

func (m *lateModel) take(places int) []string {
	var got []string
	for i, a := range m.arrivals {
		n := min(len(a), places-len(got))
		if n == 0 || m.whole && n < len(a) {
			continue
		}
		got = append(got, a[:n]...)
		m.arrivals[i] = a[n:]
		if m.whole {
			break
		}
	}
	return got
}

func texts(records []sources.Record) []string {
	var all []string
	for i := range records {
		all = append(all, records[i].ID)
	}
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
	if fresh, _ := h.split(named(300)); len(fresh) != len(records) || len(h.ring) > maxHandled {
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
		if len(h.ids) != len(known) || len(h.ring) > maxHandled {
			t.Fatalf("%d ids, want %d; a ring of %d", len(h.ids), len(known), len(h.ring))
		}
	})
}
