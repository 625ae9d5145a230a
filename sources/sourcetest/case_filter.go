package sourcetest

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"sync"

	"github.com/openesm/openesm/sources"
)

func filterCases() []testCase {
	return []testCase{
		{
			"Filtering", "Filtering names the member of the body, and an empty body is not nil",
			filteringNames, filterable,
		},
		{
			"Metadata", "AppendMetadata appends one JSON object: what stands beside the body in the event document",
			metadata, filterable,
		},
		{
			"MetadataAllocations", "AppendMetadata may be called concurrently and allocates nothing but dst",
			metadataAllocations, filterable,
		},
	}
}

func filterable(k *kind) bool {
	_, ok := k.source.(sources.Filterer)

	return ok
}

// filtering is how patterns see the records of the reader.
func (r *reader) filtering() sources.Filtering {
	filterer, ok := r.source.(sources.Filterer)
	if !ok {
		r.p.brokenf("this source is no Filterer, as another one of the harness is")
	}

	return filterer.Filtering()
}

func filteringNames(p *probe) {
	r := p.openOnly()
	defer r.close()

	first := r.filtering()
	if first.Key == "" {
		p.brokenf("Filtering: Key is empty")
	}

	for range p.harness.Partitions {
		r.accept()
	}

	if !p.harness.NoEmpty {
		p.serial++
		r.sendAll([]Message{{Key: r.key(0, nil), Data: []byte{}}})

		if r.collect(1, 1)[0].Data == nil {
			p.brokenf("Record.Data of an empty body is nil, which for a filter means no body")
		}
	}

	now := r.filtering()
	if now.Key != first.Key || now.Text != first.Text || now.KeepMismatch != first.KeepMismatch {
		p.brokenf("Filtering: %q, %t, %t at first, %q, %t, %t later",
			first.Key, first.Text, first.KeepMismatch, now.Key, now.Text, now.KeepMismatch)
	}
}

func metadata(p *probe) {
	r := p.open()
	defer r.close()

	filtering := r.filtering()
	bodies := bodiesOf(&p.harness)
	messages := make([]Message, len(bodies))

	for i, body := range bodies {
		p.serial++
		messages[i] = Message{Key: r.key(i, nil), Data: body}
	}

	r.sendAll(messages)

	for _, record := range r.collect(len(bodies), defaultBatch) {
		seen := r.metadata(filtering, &record.Record)
		if again := r.metadata(filtering, &record.Record); !reflect.DeepEqual(again, seen) {
			p.brokenf("AppendMetadata: the same record has other metadata the second time")
		}

		appender, ok := r.source.(sources.EventAppender)
		if !ok {
			continue
		}

		var document any
		if err := json.Unmarshal(appender.AppendEvent(nil, record.from.ID(), []sources.Record{record.Record}), &document); err != nil {
			p.brokenf("AppendEvent: a document that is not JSON: %v", err)
		}

		r.sameMembers(filtering, seen, beside(document, filtering.Key))
	}
}

// metadata is what patterns see of a record beside its body.
func (r *reader) metadata(filtering sources.Filtering, record *sources.Record) map[string]any {
	const prefix = "what was there before"

	if filtering.AppendMetadata == nil {
		return nil
	}

	out := filtering.AppendMetadata([]byte(prefix), record)
	if !bytes.HasPrefix(out, []byte(prefix)) {
		r.p.brokenf("AppendMetadata: does not append to dst")
	}

	var members map[string]any
	if err := json.Unmarshal(out[len(prefix):], &members); err != nil || members == nil {
		r.p.brokenf("AppendMetadata: what it appends is not one JSON object: %v", err)
	}

	return visible(members, filtering.Key)
}

// sameMembers looks that metadata are what the event document has. Where IDs
// are composed the document may encode what filters see decoded.
func (r *reader) sameMembers(filtering sources.Filtering, seen, documented map[string]any) {
	if documented == nil {
		r.p.brokenf("AppendEvent: the record has no member %q, which Filtering names as that of the body", filtering.Key)
	}

	if filtering.AppendMetadata == nil {
		return // patterns see none
	}

	documented = visible(documented, filtering.Key)
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if _, ok := seen[name]; !ok {
			r.p.brokenf("AppendMetadata: lacks %q, which the event document has", name)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(seen)) {
		value, ok := documented[name]
		if !ok {
			r.p.brokenf("AppendMetadata: has %q, which the event document has not", name)
		}

		if !r.p.harness.ComposedID && !reflect.DeepEqual(value, seen[name]) {
			r.p.brokenf("AppendMetadata: %q is %v, but %v in the event document", name, seen[name], value)
		}
	}
}

// visible drops what patterns do not see: the body, and what AWS's pollers add
// (FILT-56).
func visible(members map[string]any, key string) map[string]any {
	kept := maps.Clone(members)
	delete(kept, key)

	for _, name := range []string{"awsRegion", "eventID", "eventSource", "eventSourceARN", "eventVersion", "invokeIdentityArn"} {
		delete(kept, name)
	}

	return kept
}

// beside returns the outermost object of a document that has a member key.
func beside(document any, key string) map[string]any {
	var inner []any

	switch value := document.(type) {
	case map[string]any:
		if _, ok := value[key]; ok {
			return value
		}

		inner = slices.Collect(maps.Values(value))
	case []any:
		inner = value
	}

	for _, value := range inner {
		if found := beside(value, key); found != nil {
			return found
		}
	}

	return nil
}

func metadataAllocations(p *probe) {
	r := p.open()
	defer r.close()

	r.send(1)
	record := r.collect(1, 1)[0].Record
	filtering := r.filtering()

	if filtering.AppendMetadata == nil {
		return
	}

	var together sync.WaitGroup
	for range lanes {
		together.Go(func() { filtering.AppendMetadata(nil, &record) })
	}

	together.Wait()

	// An append may write on more than it returns.
	room := make([]byte, 0, 2*len(filtering.AppendMetadata(nil, &record)))
	if got := allocations(func() { filtering.AppendMetadata(room, &record) }); got > 0 {
		p.brokenf("AppendMetadata: %d allocations with room enough in dst", got)
	}
}

// allocations is how many allocations f makes at least. Others allocate beside
// it, as the cases run in parallel, so what counts is the least of many runs.
func allocations(f func()) uint64 {
	const runs = 200

	var before, after runtime.MemStats

	least := uint64(math.MaxUint64)
	for i := 0; i < runs && least > 0; i++ {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)

		least = min(least, after.Mallocs-before.Mallocs)
	}

	return least
}
