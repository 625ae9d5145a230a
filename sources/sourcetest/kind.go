package sourcetest

import (
	"maps"
	"slices"
	"testing"

	"github.com/openesm/openesm/sources"
)

// kind is what a source is and can do, and so which rules concern it.
type kind struct {
	harness Harness
	traits  sources.Traits
	source  sources.Source
	part    sources.Partition
}

// learn opens a source of the harness to see what kind it is.
func (k *kind) learn(tb testing.TB, h Harness) {
	tb.Helper()
	k.harness = h
	check(tb, &testCase{
		name: "Kind", rule: "a source opens, starts, hands out its partitions and closes", run: k.look,
	}, h)
}

func (k *kind) look(p *probe) {
	r := p.open()
	defer r.close()
	k.traits, k.source, k.part = r.traits, r.source, r.parts[0].Partition
}

// cases returns the cases that concern the source, none if it could not be
// learnt what it is.
func (k *kind) cases(tb testing.TB) []testCase {
	tb.Helper()
	if tb.Failed() {
		return nil
	}
	all := cases()
	for _, name := range slices.Concat(slices.Collect(maps.Keys(k.harness.Skip)), slices.Collect(maps.Keys(k.harness.LeftOut))) {
		if !slices.ContainsFunc(all, func(c testCase) bool { return c.name == name }) {
			tb.Errorf("harness: Skip or LeftOut names %q, which is no case", name)
		}
	}
	return slices.DeleteFunc(all, func(c testCase) bool {
		why, out := k.harness.LeftOut[c.name]
		if out && c.concerns(k) {
			tb.Logf("left out: %s: %s", c.name, why)
		}
		return out || !c.concerns(k)
	})
}

// skip skips a case that the harness names.
func (k *kind) skip(tb testing.TB, name string) {
	tb.Helper()
	if why, ok := k.harness.Skip[name]; ok {
		tb.Skip(why)
	}
}

func always(*kind) bool         { return true }
func ordered(k *kind) bool      { return k.traits.Ordered }
func unordered(k *kind) bool    { return !k.traits.Ordered }
func grouped(k *kind) bool      { return k.traits.Grouped }
func keyed(k *kind) bool        { return k.traits.Ordered || k.traits.Grouped }
func redelivering(k *kind) bool { return k.traits.Redelivers }
func ending(k *kind) bool       { return k.harness.End != nil }
func resharding(k *kind) bool   { return k.harness.Reshard != nil }
func stealing(k *kind) bool     { return k.harness.Steal != nil }

func revoking(k *kind) bool { return k.harness.Revoke != nil }

func documented(k *kind) bool {
	_, ok := k.source.(sources.EventAppender)
	return ok
}

func identifying(k *kind) bool {
	_, ok := k.source.(sources.Identifier)
	return ok
}

func batchDescribing(k *kind) bool {
	_, ok := k.part.(sources.BatchDescriber)
	return ok
}

func lossTelling(k *kind) bool {
	_, ok := k.part.(sources.Revocable)
	return ok && stealing(k)
}

func releasing(k *kind) bool {
	_, ok := k.part.(sources.Releaser)
	return ok
}

func failing(k *kind) bool {
	_, ok := k.part.(sources.Failer)
	return ok && k.traits.Redelivers
}
