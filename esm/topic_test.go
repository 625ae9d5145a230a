package esm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// kafkaTopic is a stream that is to the engine what a topic of Kafka is. It keeps a journal
// of what the engine does with its partitions, each of which it hands out once.
type kafkaTopic struct {
	sources.Source
	left  int
	ahead bool
	// at changes the time of a record, by its body.
	at map[string]time.Time
	// told is called in OnRevoke.
	told func(revoked, lost func())
	// ack stands in for Ack.
	ack func(context.Context) error

	mu      sync.Mutex
	journal []string
	parts   []*topicPartition
}

// bubbles is bubble for both ways in which the engine reads a topic: ahead of its
// lanes, and not because the source does.
func bubbles(t *testing.T, f func(t *testing.T, ahead bool)) {
	t.Helper()
	t.Run("engine reads ahead", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, false) }) })
	t.Run("source reads ahead", func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, true) }) })
}

// unless is the notes without what only an engine releases that reads ahead.
func unless(ahead bool, notes ...string) []string {
	if ahead {
		notes = slices.DeleteFunc(notes, func(note string) bool { return strings.HasPrefix(note, "release") })
	}
	return notes
}

// newTopic returns one whose partitions have these records, separated by blanks, and
// the stream that keeps them.
func newTopic(partitions ...string) (*kafkaTopic, *memory.Stream) {
	s := memory.NewStream(memory.StreamOptions{Partitions: len(partitions)})
	for i, bodies := range partitions {
		putAll(s, i, bodies)
	}
	return topicOf(s), s
}

// topicOf is a stream as a consumer reads it that begins or goes on.
func topicOf(s *memory.Stream) *kafkaTopic {
	return &kafkaTopic{Source: s.Source("app"), left: len(s.Partitions())}
}

// putAll puts records into a partition, each with its body as the key.
func putAll(s *memory.Stream, partition int, bodies string) {
	for body := range strings.FieldsSeq(bodies) {
		if _, err := s.PutTo(s.Partitions()[partition], body, []byte(body)); err != nil {
			panic(err)
		}
	}
}

func (t *kafkaTopic) Traits() sources.Traits {
	traits := t.Source.Traits()
	traits.RetryNamed, traits.RetriesWithDestination, traits.TumblingWindow = true, 10, 0
	traits.ReadsAhead = t.ahead
	return traits
}

func (t *kafkaTopic) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return t.Source.(sources.EventAppender).AppendEvent(dst, partition, records)
}

// RecordID reads {"offset": 3}.
func (*kafkaTopic) RecordID(item []byte) (string, bool) {
	var object struct {
		Offset *int `json:"offset"`
	}
	if json.Unmarshal(item, &object) != nil || object.Offset == nil {
		return "", false
	}
	return strconv.Itoa(*object.Offset), true
}

func (t *kafkaTopic) Accept(ctx context.Context) (sources.Partition, error) {
	if t.left == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	t.left--
	p, err := t.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	part := &topicPartition{Partition: p, topic: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.parts = append(t.parts, part)
	return part, nil
}

func (t *kafkaTopic) notef(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.journal = append(t.journal, fmt.Sprintf(format, args...))
}

// notes is what the journal says, and begins a new one. Settling and releasing go side
// by side, so that they are put into one order, and what is released into one note.
func (t *kafkaTopic) notes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var before, acks, released, after []string
	for _, note := range t.journal {
		switch verb, rest, _ := strings.Cut(note, " "); {
		case verb == "ack":
			acks = append(acks, note)
		case verb == "release":
			released = append(released, strings.Fields(rest)...)
		case len(acks)+len(released) > 0:
			after = append(after, note)
		default:
			before = append(before, note)
		}
	}
	t.journal = nil
	if len(released) > 0 {
		slices.Sort(released)
		released = []string{"release " + strings.Join(released, " ")}
	}
	return slices.Concat(before, acks, released, after)
}

// acks is what the journal says of settlements.
func (t *kafkaTopic) acks() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.journal), func(note string) bool { return !strings.HasPrefix(note, "ack") })
}

type topicPartition struct {
	sources.Partition
	topic         *kafkaTopic
	revoked, lost func()
}

func (p *topicPartition) OnRevoke(revoked, lost func()) {
	p.revoked, p.lost = revoked, lost
	if p.topic.told != nil {
		p.topic.told(revoked, lost)
	}
}

func (p *topicPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range buf[:n] {
		if at, ok := p.topic.at[string(buf[i].Data)]; ok {
			buf[i].Time = at
		}
	}
	return n, err
}

func (p *topicPartition) Ack(ctx context.Context, records []sources.Record) error {
	p.topic.notef("ack %s", records[len(records)-1].Data)
	if p.topic.ack != nil {
		return p.topic.ack(ctx)
	}
	return p.Partition.Ack(ctx, records)
}

func (p *topicPartition) Release(_ context.Context, records []sources.Record) error {
	bodies := make([]string, len(records))
	for i := range records {
		bodies[i] = string(records[i].Data)
	}
	p.topic.notef("release %s", strings.Join(bodies, " "))
	return nil
}

func (p *topicPartition) Close(ctx context.Context) error {
	p.topic.notef("close")
	return p.Partition.Close(ctx)
}
