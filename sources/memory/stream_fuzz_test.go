package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// streamModel is a stream beside plain logs of its partitions.
type streamModel struct {
	t      *testing.T
	stream *memory.Stream
	source sources.Source
	shards map[string]*shardModel
	order  []string // IDs of the shards, oldest first
	open   []string
	sent   int
}

type shardModel struct {
	parents []string
	log     []string
	ended   bool
	acked   int
	reader  *readerModel // who owns it
}

// readerModel is a partition that was accepted.
type readerModel struct {
	partition sources.Partition
	records   []sources.Record // fetched
	from      int              // index of the first of them in the log
	old       bool             // of a source that another one followed
}

func (m *streamModel) shard(id string) *shardModel {
	if m.shards[id] == nil {
		m.shards[id] = &shardModel{}
		m.order = append(m.order, id)
		m.open = append(m.open, id)
	}
	return m.shards[id]
}

func (m *streamModel) finished(id string) bool {
	s := m.shards[id]
	return s.ended && s.reader == nil && s.acked == len(s.log)
}

// free tells whether a partition may be handed out: it is not owned by this
// source, not finished, and its parents are (KIN-66).
func (m *streamModel) free(id string) bool {
	reader := m.shards[id].reader
	return (reader == nil || reader.old) && !m.finished(id) &&
		!slices.ContainsFunc(m.shards[id].parents, func(parent string) bool { return !m.finished(parent) || !m.first(parent) })
}

// first tells whether all ancestors of a partition are finished.
func (m *streamModel) first(id string) bool {
	return !slices.ContainsFunc(m.shards[id].parents, func(parent string) bool { return !m.finished(parent) || !m.first(parent) })
}

func (m *streamModel) accept() {
	may := slices.ContainsFunc(m.order, m.free)
	done := len(m.open) == 0 && !slices.ContainsFunc(m.order, func(id string) bool { return !m.finished(id) })
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Second)
	defer cancel()
	p, err := m.source.Accept(ctx)
	switch {
	case may != (err == nil), done != errors.Is(err, sources.ErrEnd), !may && !done && !errors.Is(err, context.DeadlineExceeded):
		m.t.Fatalf("Accept: %v; there is a partition: %v; all are done: %v", err, may, done)
	case err != nil:
		return
	case !m.free(p.ID()):
		m.t.Fatalf("partition %s was handed out", p.ID())
	}
	s := m.shards[p.ID()]
	if s.reader != nil {
		m.lost(s.reader)
	}
	s.reader = &readerModel{partition: p, from: s.acked}
}

// steal has another source of the consumer go on, which takes over what it
// accepts.
func (m *streamModel) steal() {
	m.source = m.stream.Source("app")
	for _, s := range m.shards {
		if s.reader != nil {
			s.reader.old = true
		}
	}
}

// lost looks that a partition that was taken over does nothing any more.
func (m *streamModel) lost(r *readerModel) {
	if _, err := r.partition.Fetch(m.t.Context(), make([]sources.Record, 1), time.Hour); !errors.Is(err, sources.ErrLost) {
		m.t.Fatalf("Fetch of a lost partition: %v", err)
	}
	if err := r.partition.Ack(m.t.Context(), r.records); !errors.Is(err, sources.ErrLost) {
		m.t.Fatalf("Ack of a lost partition: %v", err)
	}
	if err := r.partition.Close(m.t.Context()); err != nil {
		m.t.Fatalf("Close: %v", err)
	}
}

func (m *streamModel) fetch(s *shardModel, places int) {
	r := s.reader
	next := r.from + len(r.records)
	buf := make([]sources.Record, places)
	n, err := r.partition.Fetch(m.t.Context(), buf, 0)
	want := s.log[next:min(next+places, len(s.log))]
	if !slices.Equal(texts(buf[:n]), want) || errors.Is(err, sources.ErrEnd) != (s.ended && len(want) == 0) {
		m.t.Fatalf("Fetch: %q, %v, want %q", texts(buf[:n]), err, want)
	}
	r.records = append(r.records, buf[:n]...)
	size := m.source.Traits().EventOverhead
	for i := range buf[:n] {
		size += buf[i].Size
	}
	id := r.partition.ID()
	if got := len(m.source.(sources.EventAppender).AppendEvent(nil, id, buf[:n])); n > 0 && got != size {
		m.t.Fatalf("an event document of %d bytes, sizes add up to %d", got, size)
	}
	info := r.partition.(sources.BatchDescriber).AppendBatchInfo([]byte("{"), buf[:n])
	var described map[string]map[string]any
	if err := json.Unmarshal(append(info, '}'), &described); err != nil || len(described["KinesisBatchInfo"]) != 7 {
		m.t.Fatalf("batch info %s: %v (DST-19a)", info, err)
	}
}

// ack acks up to some record that was fetched, also once more.
func (m *streamModel) ack(s *shardModel, value int) {
	r := s.reader
	if len(r.records) == 0 {
		return
	}
	at := value % len(r.records)
	if err := r.partition.Ack(m.t.Context(), r.records[at:at+1]); err != nil {
		m.t.Fatalf("Ack: %v", err)
	}
	s.acked = max(s.acked, r.from+at+1)
	if got, want := m.stream.Position("app", r.partition.ID()), r.records[s.acked-1-r.from].ID; got != want {
		m.t.Fatalf("position %q, want %q (KIN-151)", got, want)
	}
}

// end marks shards as ended.
func (m *streamModel) end(ids ...string) {
	for _, id := range ids {
		m.shards[id].ended = true
	}
	m.open = slices.DeleteFunc(m.open, func(id string) bool { return slices.Contains(ids, id) })
}

func (m *streamModel) reshard(value int) {
	if len(m.open) == 0 || len(m.order) > 12 {
		return
	}
	id := m.open[value%len(m.open)]
	switch value / 16 % 4 {
	case 0, 1:
		left, right, err := m.stream.Split(id)
		if err != nil {
			return // too narrow
		}
		m.shard(left).parents, m.shard(right).parents = []string{id}, []string{id}
		m.end(id)
	case 2:
		other := m.open[(value+1)%len(m.open)]
		child, err := m.stream.Merge(id, other)
		if err != nil {
			return // not adjacent
		}
		m.shard(child).parents = []string{id, other}
		m.end(id, other)
	case 3:
		if err := m.stream.EndPartition(id); err != nil {
			m.t.Fatalf("EndPartition: %v", err)
		}
		m.end(id)
	}
}

func (m *streamModel) put(value int) {
	id := m.order[value%len(m.order)]
	body := strconv.Itoa(m.sent)
	if _, err := m.stream.PutTo(id, "key"+body, []byte(body)); (err == nil) == m.shards[id].ended {
		m.t.Fatalf("PutTo %s: %v", id, err)
	}
	if !m.shards[id].ended {
		m.shards[id].log = append(m.shards[id].log, body)
		m.sent++
	}
}

func (m *streamModel) step(kind byte, value int) {
	s := m.shards[m.order[value%len(m.order)]]
	switch {
	case kind == 0:
		m.put(value)
	case kind == 1:
		m.accept()
	case kind == 2:
		m.reshard(value)
	case kind == 3 && value%8 == 0:
		m.steal()
	case s.reader == nil:
	case kind == 4:
		m.fetch(s, 1+value/16)
	case kind == 5:
		m.ack(s, value/8)
	case kind == 6:
		if err := s.reader.partition.Close(m.t.Context()); err != nil {
			m.t.Fatalf("Close: %v", err)
		}
		s.reader = nil
	}
	lag := 0
	for _, s := range m.shards {
		lag += len(s.log) - s.acked
	}
	if got := m.stream.Lag("app"); got != lag {
		m.t.Fatalf("lag %d, want %d", got, lag)
	}
}

// FuzzStream puts, reshards, accepts, steals, fetches, acks and closes in any
// order, and compares with the model. Two bytes are one step.
func FuzzStream(f *testing.F) {
	f.Add(uint8(1), "telemetry", []byte{0, 0, 1, 0, 4, 0, 2, 0, 0, 1, 5, 0, 4, 0, 6, 0, 1, 0, 1, 1, 4, 1})
	f.Add(uint8(3), "\"\\\xff\x00", []byte{0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 3, 0, 4, 16, 4, 1, 5, 0, 2, 33, 2, 48, 1, 0, 3, 8})
	f.Add(uint8(0), "s", []byte{0, 0, 0, 0, 0, 0, 1, 0, 4, 64, 5, 16, 5, 0}) // back to an earlier record
	f.Add(uint8(2), "", []byte{2, 48, 2, 48, 0, 0, 1, 0, 1, 0, 4, 0, 4, 1, 6, 0, 6, 1, 1, 0})
	for seed := range byte(16) {
		f.Add(seed, "stream", noise(seed, 120))
	}
	f.Fuzz(func(t *testing.T, partitions uint8, name string, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			m := &streamModel{t: t, shards: map[string]*shardModel{}}
			m.stream = memory.NewStream(memory.StreamOptions{Name: name, Partitions: 1 + int(partitions)%4})
			for _, id := range m.stream.Partitions() {
				m.shard(id)
			}
			if m.source = m.stream.Source("app"); !strings.HasPrefix(m.source.Traits().ARN, "arn:aws:kinesis:") {
				t.Errorf("ARN %q", m.source.Traits().ARN)
			}
			for i := 0; i+1 < min(len(steps), 120); i += 2 {
				m.step(steps[i]%7, int(steps[i+1]))
			}
		})
	})
}
