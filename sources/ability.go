package sources

import (
	"context"
	"log/slog"
	"time"
)

// Settings is what a source may need to know of its mapping.
type Settings struct {
	// BatchSize is the most records of one invocation.
	BatchSize int
	// BatchBytes is the most bytes of its event document.
	BatchBytes int
	// Window is the longest time a batch may gather.
	Window time.Duration
	// Concurrency is the most lanes that an unordered source is read by at once.
	Concurrency int
	// Timeout is the handler's time limit. A record of an unordered source that
	// expires is started only while at least this much is left of it.
	Timeout time.Duration
	// Logger is the mapping's logger, for advice about the service's own
	// settings. nil for none.
	Logger *slog.Logger
	// Report tells the mapping of a failure that no call returns to it, such as
	// that of a background loop: it reaches observer and log as a failed read, and
	// its text is Status's for a minute: say what failed. It does not block, and may be called concurrently. nil for nobody.
	Report func(err error)
}

// Starter is a [Source] that prepares itself and checks that it can work.
type Starter interface {
	// Start is called once, before Accept. An error that wraps ErrUnusable
	// (the queue does not exist, access is denied, the settings do not suit
	// it) ends the mapping with that error; after any other error the engine
	// backs off and calls Start again.
	Start(ctx context.Context, settings Settings) error
}

// Meter is a [Source] that measures itself: how far behind it is, what it holds.
type Meter interface {
	// Measure appends what there is to measure now. It makes no call. The engine
	// calls it every ten seconds, from one goroutine, and tells its observer.
	Measure(dst []Measure) []Measure
}

// Metric names what is counted or measured. The metrics of the engine are constants of
// package esm, those of an adapter constants of its package.
type Metric string

// Measure is a value at one moment.
type Measure struct {
	// Name of the metric. The adapter has a constant for each of its own.
	Name Metric
	// Partition that it is about; "" for the whole source.
	Partition string
	// Count, or Duration, is the value; the other is zero.
	Count    int
	Duration time.Duration
	// Total says that Count is how often something happened since the source was
	// made, which never falls. The engine tells its observer by how much it rose.
	Total bool
}

// EventAppender is a [Source] that writes the event documents for handlers
// that take bytes. A source without it serves handlers that take records only.
type EventAppender interface {
	// AppendEvent appends to dst the event document of records, which are one
	// batch of the partition with the given ID, and returns the longer slice.
	// The document is at most Traits.EventOverhead plus the Size of each
	// record long. It may be called concurrently, allocates nothing but dst,
	// and keeps nothing.
	AppendEvent(dst []byte, partition string, records []Record) []byte
}

// Releaser is a [Partition] that can give back records that were never
// started, so that others may have them at once. Of a source that does not redeliver
// it gets those too that failed and expired while they were tried again.
type Releaser interface {
	// Release gives records back. One attempt, no retry: what is not given
	// back returns to the source by itself, later. May be called concurrently
	// with Fetch and Ack.
	Release(ctx context.Context, records []Record) error
}

// Extender is a [Partition] whose records expire, and that can keep them longer.
// The engine extends what it holds and cannot start soon: what did not fit into
// the batch that is invoked now. Without it such records are given back.
type Extender interface {
	// Extend has records expire as late as if they were fetched now, and sets the
	// Expires of those for which that succeeded, in records. It returns the first
	// error. One attempt, no retry. It may be called concurrently with everything.
	Extend(ctx context.Context, records []Record) error
}

// Stopper is a [Partition] that can end the reading before it is closed, so that
// what a call under way brings is still handled. Without it a mapping that stops
// cancels the Fetches that wait, and what their calls bring is given back.
type Stopper interface {
	// Stop has the partition begin no further call to fetch. A Fetch that waits
	// returns once the call that it waits for has ended. From then on Fetch returns
	// what is at hand or under way, and then 0 and ErrEnd. Stop does not block. It
	// may be called concurrently with everything but Close, and more than once.
	Stop()
}

// Revocable is a [Partition] that may get another owner while it is read, and
// learns of it by itself: its consumer group is rebalanced, another worker asks for its
// lease, or that was not renewed in time. Without it the engine learns of a loss from the next Fetch or
// Ack only, and until then goes on to invoke the handler with records that the
// new owner may be handling already.
type Revocable interface {
	// OnRevoke is called once, before the first Fetch, with what the adapter
	// calls when the partition goes.
	//
	// revoked says that the partition is revoked. The engine fetches no more
	// and starts no further invocation or retry; it lets the running invocations
	// end, settles what they finished, releases what was never started, and calls
	// Close. Until then the partition is the mapping's, and Ack must work: the
	// adapter gives it away when Close was called, or when it can wait no longer,
	// and then calls lost.
	//
	// lost says that somebody else owns the partition now. The engine reacts as to
	// ErrLost: it cancels the running invocations, drops what is not settled, acks
	// nothing more, and calls Close. It may come without revoked.
	//
	// Neither function blocks or calls the partition. Both may be called from any
	// goroutine at any time from then on, by OnRevoke itself too, and more than
	// once; after Close they do nothing.
	OnRevoke(revoked, lost func())
}

// Failer is a [Partition] of a source that redelivers and wants to know which
// records failed, for instance to choose when they come back. Where the source does
// not redeliver it is told of records that fit into no event document, and nobody
// else takes: they stay in the source, and do not come again soon.
type Failer interface {
	// Fail tells that the handler failed records. One attempt, no retry. May
	// be called concurrently with Fetch and Ack.
	Fail(ctx context.Context, records []Record) error
}

// Joiner is a [Partition] of a grouped source that withholds a group while records of it
// are out, but for the batch that they are in. Without it a batch gets no more of a group
// than came with the first of it, and waits out its window.
type Joiner interface {
	// FetchFor is Fetch for a lane that holds these records, and no others. Further ones
	// of their groups may be among those that it returns, as long as no other lane holds
	// any. held belongs to the caller.
	FetchFor(ctx context.Context, held, buf []Record, wait time.Duration) (int, error)
}

// Rejecter is a [Partition] that can give records up: the service puts them where its
// dead letters go. See Traits.Rejects.
type Rejecter interface {
	// Reject settles records as Ack does, with the same errors, and has the service
	// keep them as dead letters. May be called concurrently with Fetch and Ack.
	Reject(ctx context.Context, records []Record) error
}

// Holder is a [Partition] of a source that does not redeliver, and may lose some of the
// records that it handed out: with the connection over which they came, say. Others may
// have those meanwhile.
type Holder interface {
	// Holds reports whether a record is still the mapping's. The engine asks before
	// each invocation, and begins none with a record that is not. It makes no call,
	// takes no lock, and may be called concurrently with everything.
	Holds(record *Record) bool
}

// BatchDescriber is a [Partition] that describes a batch in failure records.
type BatchDescriber interface {
	// AppendBatchInfo appends one JSON object member, name and value, such as
	// "KinesisBatchInfo":{...} (DST-19a), for records that were given up.
	AppendBatchInfo(dst []byte, records []Record) []byte
}

// RecordDescriber is a [BatchDescriber] that describes a single record otherwise
// than a batch of one, in the failure records that Kafka topics get (DST-40).
type RecordDescriber interface {
	// AppendRecordInfo appends one JSON object member, name and value, for a
	// record that was given up.
	AppendRecordInfo(dst []byte, record *Record) []byte
}

// WindowKeeper is an ordered [Partition] that stores the state of a tumbling window
// beside its position (KIN-186). What is stored is the engine's own; it may be some
// hundred KB long.
type WindowKeeper interface {
	// Window returns what was stored when the partition was handed out; nil for
	// none.
	Window() []byte

	// AckWindow is Ack that stores window too, nil to store none: both or
	// nothing. Ack stores none. records may be empty: the position stays. A
	// partition that was read to its end has not ended while a window is stored.
	// Both slices belong to the caller.
	AckWindow(ctx context.Context, records []Record, window []byte) error
}

// Identifier is a [Source] whose records are named in batchItemFailures otherwise
// than by a JSON string with their ID: those of Kafka by an object with partition
// and offset (KAF-66). It is asked about the responses of handlers that take event
// documents; handlers that take records name them by Record.ID everywhere.
type Identifier interface {
	// RecordID returns the ID of the record that item, the JSON value of an
	// itemIdentifier, names; false if it is not of the source's form. It does not
	// matter whether there is such a record. It may be called concurrently, and
	// keeps nothing.
	RecordID(item []byte) (id string, ok bool)
}

// TopicReader is a [Source] that reads topics of Apache Kafka. An on-failure
// destination asks it whether it would feed the mapping that it is to serve (DST-43).
type TopicReader interface {
	// ReadsTopic reports whether the source is known to read the topic of the cluster
	// that the brokers, as host:port, belong to. It makes no call, and may be called
	// before Start.
	ReadsTopic(topic string, brokers []string) bool
}

// Filterer is a [Source] whose records may be filtered by patterns. A source
// without it refuses them, as AWS does for DocumentDB (API-26).
type Filterer interface {
	// Filtering tells how patterns see the records. It makes no call, gives the
	// same answer always, and may be called before Start.
	Filtering() Filtering
}

// Filtering is how filter patterns see the records of a source (FILT-50..88).
type Filtering struct {
	// Key is the member of a pattern that is about Record.Data: "body" for SQS,
	// "data" for Kinesis and MQ, "dynamodb" for DynamoDB Streams, "value" for
	// Kafka. Never empty. A record whose Data is nil has no body (a Kafka
	// tombstone); an empty body is not nil.
	Key string

	// AppendBody appends to dst the body of r and returns the longer slice, where that
	// is not in Record.Data: nobody else needs it there, and writing it takes time. It
	// is called concurrently with everything, allocates nothing but dst, and keeps
	// nothing. nil where Record.Data is the body.
	AppendBody func(dst []byte, r *Record) []byte

	// Text allows patterns for bodies of plain text. Kinesis and DynamoDB
	// Streams refuse them (FILT-68).
	Text bool

	// KeepMismatch keeps a record whose body is not of the form that the pattern
	// is about, text or JSON, if the rest of the pattern holds: Kafka and MQ.
	// Elsewhere it is rejected (FILT-74..88).
	KeepMismatch bool

	// Members are all that may stand beside Key in a pattern: what the event
	// document tells of a record (FILT-55, FILT-56). A pattern that asks for what
	// they cannot be is refused, for it could never match. Empty if there are none.
	Members []Member

	// AppendMetadata appends to dst one JSON object and returns the longer
	// slice: those of the members of r, which is of the partition with the given
	// ID, that are asked for. What is encoded in the event document as the body is,
	// such as the key of a Kafka record, is decoded as the body is. Other members
	// may be there too. All are among Members, and of their kind.
	//
	// It is called only if a pattern names such a member, concurrently with
	// everything, allocates nothing but dst, and keeps nothing. nil means that
	// no record has such members.
	AppendMetadata func(dst []byte, partition string, r *Record, asked []AskedMember) []byte
}

// Member is a member that records have, all of them or some.
type Member struct {
	// Name of the member. The empty name stands for all that have no Member of
	// their own beside it, where the sender chooses the names.
	Name string
	// Kind of its value.
	Kind Kind
	// Members of an Object, all that there may be.
	Members []Member
}

// Kind is what the value of a member is, in each record that has it.
type Kind int

// The kinds of values.
const (
	Anything Kind = iota // or what differs from record to record
	Text
	Number
	Object
)

// AskedMember is a member of a record that filter patterns name.
type AskedMember struct {
	// Name is that of one of Filtering.Members.
	Name string
	// Fields are the names right below it that patterns ask for, in order. Where
	// there are none they ask for its value.
	Fields []string
}
