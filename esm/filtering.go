package esm

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/openesm/openesm/esm/filter"
	"github.com/openesm/openesm/sources"
)

// FilterCriteria are the filters of a mapping, as AWS's member of that name
// (API-26). Package filter says what patterns mean.
type FilterCriteria struct {
	// Filters are patterns, each the text of one Pattern as it stands in the AWS
	// console or a template (FILT-01). A record passes if one of them matches
	// (FILT-04). Empty means that every record passes (FILT-06).
	Filters []string

	// MaximumFilters is AWS's quota of filters: 1 to 10, default 5 (FILT-03).
	MaximumFilters int

	// Extensions allows the operators of EventBridge that AWS Lambda does not
	// list, such as wildcard (FILT-35..37). Default: they are refused.
	Extensions bool
}

// filtering decides which records reach the handler.
type filtering struct {
	criteria *filter.Criteria // nil if there are no patterns
	metadata func(dst []byte, partition string, r *sources.Record, asked []sources.AskedMember) []byte
	asked    []sources.AskedMember
	body     func(dst []byte, r *sources.Record) []byte // nil where Record.Data is it
	bodies   sync.Pool                                  // of *[]byte, for body
	function func(*sources.Record) bool                 // nil if there is none
}

// filtering makes the filters of c, whose defaults are filled in, for a source;
// nil if there are none. It adds every violation.
func (c Config) filtering(to *checker, source sources.Source) *filtering {
	f := &filtering{function: c.Filter}
	f.compile(to, c.FilterCriteria, source)
	if f.criteria == nil && f.function == nil {
		return nil
	}
	return f
}

// compile compiles the patterns of c.
func (f *filtering) compile(to *checker, c FilterCriteria, source sources.Source) {
	const field = "FilterCriteria"
	before := len(to.violations)
	between(to, field+".MaximumFilters", c.MaximumFilters, 1, filter.MaxFilters)
	to.require(c.MaximumFilters < 1 || len(c.Filters) <= c.MaximumFilters, field+".Filters", fmt.Sprintf("%d patterns", len(c.Filters)),
		"must be at most MaximumFilters (%d)", c.MaximumFilters)
	if len(c.Filters) == 0 {
		return
	}
	filterer, ok := sources.Ability[sources.Filterer](source)
	if !ok {
		to.require(false, field, "set", "must be empty, filter patterns are not supported for this source")
		return
	}
	kind := filterer.Filtering()
	body := filter.Body{Key: kind.Key, Text: kind.Text, KeepMismatch: kind.KeepMismatch, Members: known(kind.Members)}
	options := filter.Options{MaxFilters: filter.MaxFilters, Extensions: c.Extensions}
	for i, pattern := range c.Filters { // one by one, for a violation each
		_, err := filter.Compile([]string{pattern}, body, options)
		to.require(err == nil, fmt.Sprintf("%s.Filters[%d]", field, i), excerpt(pattern), "%s", patternBound(err))
	}
	if len(to.violations) > before {
		return
	}
	criteria, err := filter.Compile(c.Filters, body, options)
	to.require(err == nil, field, "set", "must be filters: %v", err)
	f.criteria = criteria
	if f.metadata = kind.AppendMetadata; f.metadata == nil {
		f.metadata = func(dst []byte, _ string, _ *sources.Record, _ []sources.AskedMember) []byte { return dst }
	}
	f.asked, f.body = asked(criteria), kind.AppendBody
}

// patternBound says what a pattern should have been.
func patternBound(err error) string {
	if wrong, ok := errors.AsType[*filter.PatternError](err); ok {
		err = wrong.Err
	}
	if _, ok := errors.AsType[*filter.MemberError](err); ok {
		return err.Error() // it is a pattern
	}
	return fmt.Sprintf("must be a filter pattern: %v", err)
}

// known are the members that a source tells, for package filter; never nil.
func known(of []sources.Member) []filter.Member {
	kinds := map[sources.Kind]filter.Kind{sources.Text: filter.Text, sources.Number: filter.Number, sources.Object: filter.Object}
	all := make([]filter.Member, len(of))
	for i, m := range of {
		all[i] = filter.Member{Name: m.Name, Kind: kinds[m.Kind], Members: known(m.Members)}
	}
	return all
}

// asked are the members that patterns name, in the order of their names.
func asked(criteria *filter.Criteria) []sources.AskedMember {
	named := criteria.Metadata()
	all := make([]sources.AskedMember, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		all = append(all, sources.AskedMember{Name: name, Fields: slices.Sorted(slices.Values(named[name]))})
	}
	return all
}

// excerpt is the beginning of a pattern, to know it by.
func excerpt(pattern string) string {
	const most = 60
	return fmt.Sprintf("%.*q", most, pattern)
}

// separate moves the records that pass to the front, clears the places of the
// others and appends these to rejected. It returns how many passed.
func (p *part) separate(records, rejected []sources.Record) (int, []sources.Record) {
	passed, panics := 0, 0
	var last *PanicError
	for i := range records {
		passes, panicked := p.filter.passes(p.id, &records[i])
		if panicked != nil {
			panics++
			last = panicked
		}
		if !passes {
			rejected = append(rejected, records[i])
			continue
		}
		if passed < i {
			records[passed] = records[i]
		}
		passed++
	}
	clear(records[passed:])
	if last != nil {
		p.warn("filter panicked, its records pass", fmt.Errorf("filter panicked: %v", last.Value),
			slog.Int("records", panics), slog.String("stack", string(last.Stack)))
	}
	p.count(FilteredOutEventCount, len(records)-passed)
	return passed, rejected
}

// passes reports whether a record passes. A panic must not cost the record: it
// passes then.
func (f *filtering) passes(partition string, r *sources.Record) (passes bool, panicked *PanicError) {
	defer func() {
		if value := recover(); value != nil {
			passes, panicked = true, &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	metadata := func(dst []byte) []byte { return f.metadata(dst, partition, r, f.asked) }
	if f.criteria != nil && !f.match(r, metadata) {
		return false, nil
	}
	return f.function == nil || f.function(r), nil
}

// match holds a record to the patterns.
func (f *filtering) match(r *sources.Record, metadata func(dst []byte) []byte) bool {
	if f.body == nil {
		return f.criteria.Match(r.Data, metadata)
	}
	room, ok := f.bodies.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	defer f.bodies.Put(room)
	*room = f.body((*room)[:0], r)
	return f.criteria.Match(*room, metadata)
}
