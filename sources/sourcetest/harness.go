package sourcetest

import (
	"cmp"
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

// Message is what a case puts into a source.
type Message struct {
	// Key is the order key: message group or partition key. Never empty for
	// ordered and grouped sources, empty for others.
	Key string

	// Data is the body.
	Data []byte
}

// Harness connects the suite with one source: a queue, stream or topic that is
// new and empty, its service, and the adapter under test. Send and Open are
// required; what else is left out is taken not to exist.
type Harness struct {
	// Send puts messages into the source, one after the other.
	Send func(ctx context.Context, messages ...Message) error

	// Open returns a new Source as the same mapping would: same queue or
	// stream, same consumer, same stored positions. Called again after all is
	// closed, it is a restart.
	Open func(ctx context.Context) (sources.Source, error)

	// End tells the source that nothing more will be sent: all that is there
	// is to be read, then comes ErrEnd.
	End func(ctx context.Context) error

	// Reshard ends at least one partition and opens children in its place.
	Reshard func(ctx context.Context) error

	// Steal has somebody else own all partitions that are open, until
	// giveBack is called.
	Steal func(ctx context.Context) (giveBack func(context.Context) error, err error)

	// Revoke has somebody else ask for partitions that are open, at least one, and
	// own them from when they were closed until giveBack is called. It does not wait
	// for that.
	Revoke func(ctx context.Context) (giveBack func(context.Context) error, err error)

	// Hang has no call that reads from the service answered until heal is called, as
	// on a connection that is dead without a sign. What was called until then need not
	// be answered at all.
	Hang func(ctx context.Context) (heal func(), err error)

	// Elapse lets time pass. Default time.Sleep, which is right in bubbles and
	// with real servers.
	Elapse func(time.Duration)

	// CloseIdle closes what is the client's and not the source's, such as idle
	// connections, before goroutines are counted.
	CloseIdle func()

	// Item returns the itemIdentifier, as JSON, by which a handler names a record of
	// a [sources.Identifier].
	Item func(record sources.Record) string

	// Sent returns the message that a record came of, for a source whose records have
	// it as a part of themselves, such as the changes of a table. Default Record.Key
	// and Record.Data as they are.
	Sent func(record sources.Record) Message

	// Settings are those that a Starter is started with. Default batches of 10.
	Settings sources.Settings

	// Partitions is how many partitions the source begins with. Default 1.
	Partitions int

	// VisibilityTimeout is how long a record of a source that redelivers stays
	// away when it is not settled. Needed if Traits.Redelivers.
	VisibilityTimeout time.Duration

	// Patience is how long the service may take at most to show what was done:
	// to hand out what was sent, to end a call. Default 5 s. Its fiftieth part
	// is how long the suite waits to see that nothing happens.
	Patience time.Duration

	// MaxData is the longest body the suite may send. Default 100,000 bytes.
	MaxData int

	// TextOnly says that bodies must be UTF-8 text.
	TextOnly bool

	// NoEmpty says that bodies may not be empty.
	NoEmpty bool

	// NoTime says that the source does not tell when a record arrived.
	NoTime bool

	// ComposedID says that the event document does not hold a record's ID as it
	// is, as for Kafka.
	ComposedID bool

	// Skip gives, by name, the cases that are skipped, and why: what the
	// source is still to learn.
	Skip map[string]string

	// LeftOut gives, by name, the cases that do not hold on this server or
	// with these options, and why: an emulator, say, that does not do as the
	// service does. They are no subtests and do not count as skipped; the log
	// of the test names them.
	LeftOut map[string]string
}

const (
	defaultPatience = 5 * time.Second
	defaultMaxData  = 100_000
	defaultBatch    = 10
	quietPart       = 50
	limitParts      = 20
)

// withDefaults returns a copy with what was left out filled in.
func (h *Harness) withDefaults() Harness {
	filled := *h
	if h.Elapse == nil {
		filled.Elapse = time.Sleep //nolint:forbidigo // the suite lives in tests, where time may be virtual
	}
	if h.Sent == nil {
		filled.Sent = func(record sources.Record) Message { return Message{Key: record.Key, Data: record.Data} }
	}
	filled.Settings.BatchSize = cmp.Or(h.Settings.BatchSize, defaultBatch)
	filled.Partitions = cmp.Or(h.Partitions, 1)
	filled.Patience = cmp.Or(h.Patience, defaultPatience)
	filled.MaxData = cmp.Or(h.MaxData, defaultMaxData)
	return filled
}

// quiet is how long to look to see that nothing happens.
func (h *Harness) quiet() time.Duration { return h.Patience / quietPart }

// limit is how long one case may take.
func (h *Harness) limit() time.Duration {
	return limitParts*h.Patience + limitParts/4*h.VisibilityTimeout
}
