package dynamodbstreamstest

// What is what happened in a shard.
type What int

// The values of [Event.What].
const (
	// Put is a record that came into the shard.
	Put What = iota
	// Read is records that a GetRecords hands out.
	Read
	// Trimmed is records that are gone.
	Trimmed
	// Closed is a shard that no record comes into any more.
	Closed
)

// Event is something that happened in a shard.
type Event struct {
	What What
	// Stream is the ARN of the stream, Shard the ID of the shard.
	Stream, Shard string
	// Host is the host of the call that did it, "" for what the Go methods do.
	Host string
	// Numbers are the sequence numbers of the records, in order.
	Numbers []string
	// End says that a Read tells its reader that the shard ends there.
	End bool
	// Lost says that the fault of the call cuts its answer off.
	Lost bool
}

// SetWatch has hook told of what happens in shards, at the moment and in the
// order in which it does; nil tells nobody. Hook is called with the server's
// mutex held: it must return at once and call no method of the server.
func (s *Server) SetWatch(hook func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = hook
}

// tell tells the hook. The mutex is held.
func (sh *shard) tell(e Event, records []record) {
	hook := sh.stream.server.watch
	if hook == nil {
		return
	}
	e.Stream, e.Shard = sh.stream.arn, sh.id
	e.Numbers = make([]string, len(records))
	for i := range records {
		e.Numbers[i] = records[i].number
	}
	hook(e)
}
