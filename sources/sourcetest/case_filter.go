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
	if len(first.Members) > 0 && first.AppendMetadata == nil {
		p.brokenf("Filtering: there are Members, but no AppendMetadata")
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
	if now.Key != first.Key || now.Text != first.Text || now.KeepMismatch != first.KeepMismatch ||
		!reflect.DeepEqual(now.Members, first.Members) {
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
		seen := r.metadata(filtering, record.from.ID(), &record.Record)
		if again := r.metadata(filtering, record.from.ID(), &record.Record); !reflect.DeepEqual(again, seen) {
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
		around := beside(document, filtering.Key, nil)
		r.sameMembers(filtering, seen, around)
		r.sameBody(filtering, &record.Record, around)
	}
}

// members are asked for whole.
func members(filtering sources.Filtering) []sources.AskedMember {
	all := make([]sources.AskedMember, len(filtering.Members))
	for i := range filtering.Members {
		all[i].Name = filtering.Members[i].Name
	}
	return all
}

// metadata is what patterns see of a record beside its body.
func (r *reader) metadata(filtering sources.Filtering, partition string, record *sources.Record) map[string]any {
	const prefix = "what was there before"
	if filtering.AppendMetadata == nil {
		return nil
	}
	out := filtering.AppendMetadata([]byte(prefix), partition, record, members(filtering))
	if !bytes.HasPrefix(out, []byte(prefix)) {
		r.p.brokenf("AppendMetadata: does not append to dst")
	}
	var seen map[string]any
	if err := json.Unmarshal(out[len(prefix):], &seen); err != nil || seen == nil {
		r.p.brokenf("AppendMetadata: what it appends is not one JSON object: %v", err)
	}
	delete(seen, filtering.Key) // which patterns do not see
	return seen
}

// sameMembers looks that metadata are what the event document has, beside the body
// or around that object. Where IDs are composed the document may encode what filters
// see decoded.
func (r *reader) sameMembers(filtering sources.Filtering, seen map[string]any, document neighbourhood) {
	if document.beside == nil {
		r.p.brokenf("AppendEvent: the record has no member %q, which Filtering names as that of the body", filtering.Key)
	}
	if filtering.AppendMetadata == nil {
		return // patterns see none
	}
	r.asTold("", seen, filtering.Members)
	for _, name := range slices.Sorted(maps.Keys(document.beside)) {
		if _, ok := seen[name]; !ok && name != filtering.Key {
			r.p.brokenf("AppendMetadata: lacks %q, which the event document has", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		value, ok := document.beside[name]
		if !ok {
			value, ok = document.around[name]
		}
		if !ok {
			r.p.brokenf("AppendMetadata: has %q, which the event document has not", name)
		}
		if !r.p.harness.ComposedID && !reflect.DeepEqual(value, seen[name]) {
			r.p.brokenf("AppendMetadata: %q is %v, but %v in the event document", name, seen[name], value)
		}
	}
}

// sameBody looks that a body that is written for filters is that of the event document.
func (r *reader) sameBody(filtering sources.Filtering, record *sources.Record, document neighbourhood) {
	if filtering.AppendBody == nil {
		return
	}
	var body any
	err := json.Unmarshal(filtering.AppendBody(nil, record), &body)
	if err != nil || !reflect.DeepEqual(body, document.beside[filtering.Key]) {
		r.p.brokenf("AppendBody: %v is not the member %q of the event document, %v", body, filtering.Key, err)
	}
}

// asTold looks that an object of the metadata, whose path ends in a dot, holds nothing
// but what Members tell: that is what patterns are refused by.
func (r *reader) asTold(path string, seen map[string]any, members []sources.Member) {
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		i := slices.IndexFunc(members, func(m sources.Member) bool { return m.Name == name })
		if i < 0 {
			i = slices.IndexFunc(members, func(m sources.Member) bool { return m.Name == "" })
		}
		if i < 0 {
			r.p.brokenf("AppendMetadata: has %q, which is not among Members", path+name)
		}
		told := false
		switch value := seen[name].(type) {
		case string:
			told = members[i].Kind == sources.Text
		case float64:
			told = members[i].Kind == sources.Number
		case map[string]any:
			if told = members[i].Kind == sources.Object; told {
				r.asTold(path+name+".", value, members[i].Members)
			}
		}
		if !told && members[i].Kind != sources.Anything {
			r.p.brokenf("AppendMetadata: %q is %v, which is not of the kind that Members tell", path+name, seen[name])
		}
	}
}

// neighbourhood is what an event document tells of a record: the members beside its
// body, and those of the object that is right around them.
type neighbourhood struct {
	beside, around map[string]any
}

// beside finds the outermost object of a document that has a member key.
func beside(document any, key string, around map[string]any) neighbourhood {
	var inner []any
	switch value := document.(type) {
	case map[string]any:
		if _, ok := value[key]; ok {
			return neighbourhood{value, around}
		}
		around = value
		inner = slices.Collect(maps.Values(value))
	case []any:
		inner, around = value, nil
	}
	for _, value := range inner {
		if found := beside(value, key, around); found.beside != nil {
			return found
		}
	}
	return neighbourhood{}
}

func metadataAllocations(p *probe) {
	r := p.open()
	defer r.close()
	r.send(1)
	first := r.collect(1, 1)[0]
	filtering := r.filtering()
	if filtering.AppendMetadata == nil {
		return
	}
	asked := members(filtering)
	appendTo := func(dst []byte) []byte { return filtering.AppendMetadata(dst, first.from.ID(), &first.Record, asked) }
	var together sync.WaitGroup
	for range lanes {
		together.Go(func() { appendTo(nil) })
	}
	together.Wait()

	// An append may write on more than it returns.
	room := make([]byte, 0, 2*len(appendTo(nil)))
	if got := allocations(func() { appendTo(room) }); got > 0 {
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
