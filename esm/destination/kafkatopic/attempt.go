package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"weak"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
)

// form is what a message has.
type form int

const (
	whole   form = iota
	bare         // without the event document
	keyless      // without the key too
)

// message is what is known of the message for one record of a failure record, from
// one attempt to the next.
type message struct {
	place     int // of the record
	form      form
	answer    chan error // of what was produced and is not answered yet; nil for nothing
	delivered bool
}

// attempt is one attempt to deliver what is left of a failure record.
type attempt struct {
	destination *Destination
	record      *esm.FailureRecord
}

// messages are those of a failure record. They are kept until it is delivered, or
// nobody has it any more.
func (d *Destination) messages(record *esm.FailureRecord) []*message {
	key := weak.Make(record)
	d.mu.Lock()
	defer d.mu.Unlock()
	all, known := d.open[key]
	if known {
		return all
	}
	all = make([]*message, len(record.Records))
	for i := range all {
		all[i] = &message{place: i}
	}
	d.open[key] = all
	runtime.AddCleanup(record, d.forget, key)
	return all
}

// forget forgets the messages of a failure record.
func (d *Destination) forget(key weak.Pointer[esm.FailureRecord]) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, key)
}

// deliver delivers messages that may share batches. A broker refuses a batch as a
// whole: those of one that was too large are delivered in two halves, down to a
// message that is alone in its batch. Only that one is made smaller.
func (a *attempt) deliver(ctx context.Context, messages []*message, alone bool) error {
	large, err := a.send(ctx, messages, alone)
	switch half := len(large) / 2; {
	case len(large) == 0:
		return err
	case ctx.Err() != nil:
		return errors.Join(err, a.failed(ctx.Err()))
	case half > 0:
		return errors.Join(err, a.deliver(ctx, large[:half], true), a.deliver(ctx, large[half:], true))
	case !alone:
		return errors.Join(err, a.deliver(ctx, large, true))
	case large[0].form == keyless:
		return errors.Join(err, a.failed(fmt.Errorf("%w, without payload and key: raise the topic's max.message.bytes", kerr.MessageTooLarge)))
	default:
		large[0].form++
		return errors.Join(err, a.deliver(ctx, large, true))
	}
}

// send produces what is not under way yet, and waits for the answers. It returns
// those whose batch was too large. If alone, no other delivery has messages in their
// batches.
func (a *attempt) send(ctx context.Context, messages []*message, alone bool) (large []*message, err error) {
	leave, err := a.destination.room.enter(ctx, alone)
	if err != nil {
		return nil, a.failed(err)
	}
	defer leave()
	for _, m := range messages {
		_ = m.look() // what an earlier attempt left may have failed with its context
		if !m.delivered && m.answer == nil {
			if err := a.produce(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	var first error
	for _, m := range messages {
		err := m.await(ctx)
		switch {
		case err == nil:
		case errors.Is(err, kerr.MessageTooLarge):
			large = append(large, m)
		case first == nil:
			first = a.failed(err)
		}
	}
	a.destination.learn(ctx, first)
	return large, first
}

// produce has the client send a message.
func (a *attempt) produce(ctx context.Context, m *message) error {
	record, err := a.encode(m)
	if err != nil {
		return err
	}
	answer := make(chan error, 1)
	m.answer = answer
	a.destination.room.send()
	a.destination.client.Produce(ctx, record, func(_ *kgo.Record, err error) {
		a.destination.room.answered()
		answer <- err
	})
	return nil
}

// encode writes the message in its form.
func (a *attempt) encode(m *message) (*kgo.Record, error) {
	payload := esm.ObjectPayload
	if m.form != whole {
		payload = esm.NoPayload
	}
	document, err := a.record.Record(m.place).Marshal(payload)
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: a.destination.topic, Value: document}
	if key := a.record.Records[m.place].Key; key != "" && m.form != keyless {
		record.Key = []byte(key)
	}
	return record, nil
}

// await waits for the answer. If it does not come in time the message stays under
// way.
func (m *message) await(ctx context.Context) error {
	if m.answer == nil {
		return nil // delivered before
	}
	select {
	case err := <-m.answer:
		return m.answered(err)
	case <-ctx.Done():
	}
	if err := m.look(); m.answer == nil {
		return err
	}
	return ctx.Err()
}

// look takes the answer if it has come.
func (m *message) look() error {
	select {
	case err := <-m.answer:
		return m.answered(err)
	default:
		return nil
	}
}

func (m *message) answered(err error) error {
	m.answer, m.delivered = nil, err == nil
	return err
}

// failed says what failed.
func (a *attempt) failed(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("kafka: produce to topic %s: not answered in time, %v at most: %w", a.destination.topic, limit, err)
	}
	return fmt.Errorf("kafka: produce to topic %s: %w", a.destination.topic, err)
}
