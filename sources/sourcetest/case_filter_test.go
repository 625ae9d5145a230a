package sourcetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/openesm/openesm/sources"
)

// misfiltered is a source that says wrong things of its filtering.
type misfiltered struct {
	sources.Source

	change func(sources.Filtering) sources.Filtering
}

func (m *misfiltered) Filtering() sources.Filtering {
	filterer, ok := m.Source.(sources.Filterer)
	if !ok {
		return sources.Filtering{}
	}
	return m.change(filterer.Filtering())
}

func (m *misfiltered) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	appender, ok := m.Source.(sources.EventAppender)
	if !ok {
		return dst
	}
	return appender.AppendEvent(dst, partition, records)
}

// filteredBy is h with another answer of Filtering.
func filteredBy(h Harness, change func(sources.Filtering) sources.Filtering) Harness {
	open := h.Open
	h.Open = func(ctx context.Context) (sources.Source, error) {
		source, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &misfiltered{Source: source.(*bent).Source, change: change}, nil
	}
	return h
}

// metadataBy changes what AppendMetadata appends.
func metadataBy(change func(metadata []byte) []byte) func(sources.Filtering) sources.Filtering {
	return func(f sources.Filtering) sources.Filtering {
		inner := f.AppendMetadata
		f.AppendMetadata = func(dst []byte, partition string, r *sources.Record, asked []sources.AskedMember) []byte {
			return append(dst, change(inner(nil, partition, r, asked))...)
		}
		return f
	}
}

// TestCatchesMisfiltered holds the suite to finding adapters that filters
// could not rely on.
func TestCatchesMisfiltered(t *testing.T) {
	t.Parallel()
	var calls, sets atomic.Int32
	replace := func(old, by string) func(sources.Filtering) sources.Filtering {
		return metadataBy(func(m []byte) []byte { return bytes.Replace(m, []byte(old), []byte(by), 1) })
	}
	for name, test := range map[string]struct {
		change func(sources.Filtering) sources.Filtering
		caught string
		says   string
	}{
		"no key": {
			func(f sources.Filtering) sources.Filtering { f.Key = ""; return f },
			"Filtering", "Key is empty",
		},
		"another answer": {
			func(f sources.Filtering) sources.Filtering { f.Text = calls.Add(1) == 1; return f },
			"Filtering", "later",
		},
		"another key": {
			func(f sources.Filtering) sources.Filtering { f.Key = "text"; return f },
			"Metadata", `no member "text"`,
		},
		"no metadata":  {metadataBy(func([]byte) []byte { return []byte("{}") }), "Metadata", "lacks"},
		"nothing":      {metadataBy(func([]byte) []byte { return nil }), "Metadata", "not one JSON object"},
		"null":         {metadataBy(func([]byte) []byte { return []byte("null") }), "Metadata", "not one JSON object"},
		"cut":          {metadataBy(func(m []byte) []byte { return m[:len(m)-1] }), "Metadata", "not one JSON object"},
		"another name": {replace("messageId", "messageID"), "Metadata", `has "messageID", which is not among Members`},
		"fewer":        {replace("messageId", "body"), "Metadata", `lacks "messageId"`},
		"not said": {
			func(f sources.Filtering) sources.Filtering { f.Members = f.Members[1:]; return f },
			"Metadata", `has "messageId", which is not among Members`,
		},
		"another kind": {
			func(f sources.Filtering) sources.Filtering {
				f.Members = slices.Clone(f.Members)
				f.Members[0].Kind = sources.Number
				return f
			},
			"Metadata", `"messageId" is`,
		},
		"another kind below": {
			func(f sources.Filtering) sources.Filtering {
				attributes := slices.IndexFunc(f.Members, func(m sources.Member) bool { return m.Name == "attributes" })
				f.Members = slices.Clone(f.Members)
				f.Members[attributes].Members = slices.Clone(f.Members[attributes].Members)
				for i := range f.Members[attributes].Members {
					f.Members[attributes].Members[i].Kind = sources.Object
				}
				return f
			},
			"Metadata", `"attributes.ApproximateFirstReceiveTimestamp" is 946684800000, which is not of the kind that Members tell`,
		},
		"not said below": {
			func(f sources.Filtering) sources.Filtering {
				attributes := slices.IndexFunc(f.Members, func(m sources.Member) bool { return m.Name == "attributes" })
				f.Members = slices.Clone(f.Members)
				f.Members[attributes].Members = nil
				return f
			},
			"Metadata", `has "attributes.ApproximateFirstReceiveTimestamp", which is not among Members`,
		},
		"another set": {
			func(f sources.Filtering) sources.Filtering { f.Members = f.Members[sets.Add(1)-1:]; return f },
			"Filtering", "later",
		},
		"no way": {
			func(f sources.Filtering) sources.Filtering { f.AppendMetadata = nil; return f },
			"Filtering", "no AppendMetadata",
		},
		"one more":      {replace("{", `{"more":1,`), "Metadata", `has "more"`},
		"another value": {replace(`"messageId":"`, `"messageId":"x`), "Metadata", `"messageId" is`},
		"drops the start": {
			func(f sources.Filtering) sources.Filtering {
				inner := f.AppendMetadata
				f.AppendMetadata = func(_ []byte, partition string, r *sources.Record, asked []sources.AskedMember) []byte {
					return inner(nil, partition, r, asked)
				}
				return f
			},
			"Metadata", "does not append",
		},
		"allocates": {metadataBy(slices.Clone[[]byte]), "MetadataAllocations", "allocations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, r := find(t, test.caught), &recorder{TB: t}
				check(r, c, filteredBy(standard(func(*bent) {}), test.change))
				if len(r.failures) == 0 || !strings.Contains(r.failures[0], "broken: ") || !strings.Contains(r.failures[0], test.says) {
					t.Errorf("failures %q, want %q", r.failures, test.says)
				}
			})
		})
	}
}
