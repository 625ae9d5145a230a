package sourcetest

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/openesm/openesm/sources"
)

func recordCases() []testCase {
	return []testCase{
		{"FetchFitsBuffer", "Fetch fills at most len(buf) places, of which there may be only one", fetchFitsBuffer, always},
		{"ExactlyOnce", "without faults every record comes exactly once", exactlyOnce, always},
		{"UniqueIDs", "Record.ID is not empty, and unique within a partition", uniqueIDs, always},
		{"DataIntact", "Record.Data is the body, byte for byte", dataIntact, always},
		{"DataNotReused", "buf belongs to the caller, and what records point at is not reused", dataNotReused, always},
		{"Time", "Record.Time is when the record arrived in its source", recordTime, always},
		{"EventSize", "an event document is at most EventOverhead plus the Size of each record long", eventSize, documented},
		{"RecordIDs", "RecordID reads the items that name records, and no others", recordIDs, identifying},
		{"BatchInfo", "AppendBatchInfo appends one JSON member, name and value", batchInfo, batchDescribing},
	}
}

func fetchFitsBuffer(p *probe) {
	const count = 12
	r := p.open()
	defer r.close()
	bodies := r.send(count)
	var got []taken
	for _, size := range []int{1, 2, count} {
		some := r.collect(1, size)
		r.ack(some)
		got = append(got, some...)
	}
	rest := r.collect(count-len(got), 1)
	r.exactly(append(got, rest...), bodies)
}

func exactlyOnce(p *probe) {
	const count = 50
	r := p.open()
	defer r.close()
	bodies := r.send(count)
	got := r.collect(count, defaultBatch)
	r.ack(got)
	r.nothing("although every record came before")
	r.exactly(got, bodies)
}

func uniqueIDs(p *probe) {
	const count = 30
	r := p.open()
	defer r.close()
	r.send(count)
	seen := make(map[string]bool)
	for _, record := range r.collect(count, defaultBatch) {
		if record.ID == "" {
			p.brokenf("a record has no ID")
		}
		id := record.from.ID() + "\x00" + record.ID
		if seen[id] {
			p.brokenf("two records of partition %s have the ID %s", record.from.ID(), record.ID)
		}
		seen[id] = true
	}
}

func recordIDs(p *probe) {
	const count = 10
	r := p.open()
	defer r.close()
	identifier, ok := r.source.(sources.Identifier)
	if !ok {
		p.brokenf("the source is a sources.Identifier at times only")
	}
	for _, item := range []string{"", "null", "true", "[]", "{}", `{"`} {
		if id, ok := identifier.RecordID([]byte(item)); ok {
			p.brokenf("RecordID: %s names record %s", item, id)
		}
	}
	if p.harness.Item == nil {
		p.brokenf("harness: a sources.Identifier without Item")
	}
	r.send(count)
	for _, record := range r.collect(count, defaultBatch) {
		item := p.harness.Item(record.Record)
		if id, ok := identifier.RecordID([]byte(item)); !ok || id != record.ID {
			p.brokenf("RecordID: %s names record %q, %t, want %s", item, id, ok, record.ID)
		}
	}
}

// bodiesOf returns bodies that are easily spoiled.
func bodiesOf(h *Harness) [][]byte {
	bodies := [][]byte{
		[]byte("x"),
		[]byte(" leading and trailing "),
		[]byte(`{"json":"\"quoted\" \\ back"}`),
		[]byte("tab\tline\nreturn\r\n"),
		[]byte("žluťoučký ñandú Ω 🙂 <&> \u2028"),
		[]byte(strings.Repeat("0123456789", h.MaxData/10)),
	}
	if !h.NoEmpty {
		bodies = append(bodies, []byte{})
	}
	if !h.TextOnly {
		bodies = append(bodies, []byte{0, 1, 0xff, 0xfe, 0xc3, 0x28, 0})
	}
	return bodies
}

func dataIntact(p *probe) {
	r := p.open()
	defer r.close()
	bodies := bodiesOf(&p.harness)
	messages := make([]Message, len(bodies))
	for i, body := range bodies {
		p.serial++
		messages[i] = Message{Key: r.key(i, nil), Data: body}
	}
	r.sendAll(messages)
	got := r.collect(len(bodies), defaultBatch)
	r.ack(got)
	for _, body := range bodies {
		found := false
		for i := range got {
			found = found || bytes.Equal(got[i].Data, body)
		}
		if !found {
			p.brokenf("a body of %d bytes, beginning with %.20q, was changed", len(body), body)
		}
	}
}

func dataNotReused(p *probe) {
	const half = 8
	r := p.open()
	defer r.close()
	bodies := r.send(half)
	first := r.collect(half, half)
	bodies = append(bodies, r.send(half)...)
	second := r.collect(half, half)
	r.exactly(append(first, second...), bodies)
}

func recordTime(p *probe) {
	const skew = time.Hour
	r := p.open()
	defer r.close()
	r.send(1)
	switch got := r.collect(1, 1)[0].Time; {
	case got.IsZero() && !p.harness.NoTime:
		p.brokenf("Time is zero; if the source does not tell it, set Harness.NoTime")
	case !got.IsZero() && time.Since(got).Abs() > skew:
		p.brokenf("Time is %v, now it is %v", got, time.Now())
	}
}

func eventSize(p *probe) {
	r := p.open()
	defer r.close()
	appender, ok := r.source.(sources.EventAppender)
	if !ok {
		p.brokenf("this source is no EventAppender, as another one of the harness is")
	}
	bodies := bodiesOf(&p.harness)
	messages := make([]Message, len(bodies))
	for i, body := range bodies {
		p.serial++
		messages[i] = Message{Key: r.key(i, nil), Data: body}
	}
	r.sendAll(messages)
	byPart := make(map[*part][]sources.Record)
	for _, record := range r.collect(len(bodies), defaultBatch) {
		byPart[record.from] = append(byPart[record.from], record.Record)
		checkEvent(r, appender, record.from.ID(), []sources.Record{record.Record})
	}
	for from, records := range byPart {
		checkEvent(r, appender, from.ID(), records)
	}
}

func checkEvent(r *reader, appender sources.EventAppender, partition string, records []sources.Record) {
	const prefix = "what was there before"
	bound := r.traits.EventOverhead
	for i := range records {
		bound += records[i].Size
	}
	document := appender.AppendEvent([]byte(prefix), partition, records)
	if !bytes.HasPrefix(document, []byte(prefix)) {
		r.p.brokenf("AppendEvent: does not append to dst")
	}
	document = document[len(prefix):]
	if !json.Valid(document) {
		r.p.brokenf("AppendEvent: %d records make a document that is not JSON", len(records))
	}
	if len(document) > bound {
		r.p.brokenf("AppendEvent: %d records make %d bytes, but their Size and EventOverhead say %d at most",
			len(records), len(document), bound)
	}
	checkNamed(r, document, records)

	// Twice, as it may be called concurrently and keeps nothing.
	if again := appender.AppendEvent(nil, partition, records); !bytes.Equal(again, document) {
		r.p.brokenf("AppendEvent: the same records make another document the second time")
	}
}

func checkNamed(r *reader, document []byte, records []sources.Record) {
	for i := range records {
		if !r.p.harness.ComposedID && !bytes.Contains(document, []byte(records[i].ID)) {
			r.p.brokenf("AppendEvent: the document does not have the ID %s; a handler could not name it", records[i].ID)
		}
	}
}

func batchInfo(p *probe) {
	const count = 3
	r := p.open()
	defer r.close()
	r.send(count)
	got := r.collect(count, defaultBatch)
	from := got[0].from
	var own []sources.Record
	for _, record := range got {
		if record.from == from {
			own = append(own, record.Record)
		}
	}
	describer, ok := from.Partition.(sources.BatchDescriber)
	if !ok {
		p.brokenf("partition %s is no BatchDescriber, as another one is", from.ID())
	}
	out := describer.AppendBatchInfo([]byte("{"), own)
	var document map[string]json.RawMessage
	if err := json.Unmarshal(append(out, '}'), &document); err != nil || len(document) != 1 {
		p.brokenf("AppendBatchInfo: %d members, %v: %s", len(document), err, out)
	}
}
