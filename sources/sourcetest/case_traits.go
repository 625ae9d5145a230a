package sourcetest

import (
	"encoding/json"
	"time"

	"github.com/openesm/openesm/sources"
)

// maxRetries is the largest MaximumRetryAttempts.
const maxRetries = 10_000

func traitCases() []testCase {
	return []testCase{
		{
			"TraitsConstant", "Traits gives the same answer always, also after Start and Close",
			traitsConstant, always,
		},
		{
			"TraitsSane", "Traits has a name, bounds with the default within, and rules that go together",
			traitsSane, always,
		},
		{"RetriesSane", "the rules for retries of Traits go with the kind of source", retriesSane, always},
	}
}

func traitsConstant(p *probe) {
	r := p.open()
	defer r.close()
	r.send(1)
	r.collect(1, 1)
	if now := r.source.Traits(); now != r.traits {
		p.brokenf("%+v at first, %+v later", r.traits, now)
	}
	r.close()
	if now := r.source.Traits(); now != r.traits {
		p.brokenf("%+v at first, %+v after Close", r.traits, now)
	}
}

func traitsSane(p *probe) {
	r := p.openOnly()
	defer r.close()
	t := r.traits
	switch {
	case t.EventSource == "":
		p.brokenf("EventSource is empty")
	case t.ARN == "":
		p.brokenf("ARN is empty: give what identifies the source best")
	case t.BatchSize.Default < 1 || t.BatchSize.Max < t.BatchSize.Default:
		p.brokenf("BatchSize %+v: want 1 <= Default <= Max", t.BatchSize)
	case t.UnwindowedBatchSize < 0 || t.UnwindowedBatchSize > t.BatchSize.Max:
		p.brokenf("UnwindowedBatchSize %d: want 0..%d", t.UnwindowedBatchSize, t.BatchSize.Max)
	case t.Window.Default < 0 || t.Window.Max < t.Window.Default:
		p.brokenf("Window %+v: want 0 <= Default <= Max", t.Window)
	case t.MaxTimeout < time.Second:
		p.brokenf("MaxTimeout %v: want at least 1s", t.MaxTimeout)
	case t.Ordered && (t.Redelivers || t.Grouped):
		p.brokenf("Ordered with Redelivers or Grouped, which are for unordered sources only")
	case t.AckBatch < 0 || t.AckLinger < 0:
		p.brokenf("AckBatch %d, AckLinger %v: want no negative value", t.AckBatch, t.AckLinger)
	case t.Redelivers && p.harness.VisibilityTimeout <= 0:
		p.brokenf("harness: Redelivers without a VisibilityTimeout")
	case !t.Ordered:
		scalingSane(p, t.Scaling)
		provisionedSane(p, t.Provisioned)
	}
	overheadSane(p, r)
}

func retriesSane(p *probe) {
	r := p.openOnly()
	defer r.close()
	switch t := &r.traits; {
	case !t.Ordered && (t.RetryNamed || t.RetriesWithDestination != 0):
		p.brokenf("RetryNamed or RetriesWithDestination, which are for ordered sources only")
	case t.Rejects && (t.Ordered || t.Redelivers):
		p.brokenf("Rejects, which is for unordered sources that do not redeliver")
	case t.RetryNamed && t.TumblingWindow > 0:
		p.brokenf("RetryNamed with a TumblingWindow: a state that is stored beside the position is of what lies before it")
	case t.RetriesWithDestination < 0 || t.RetriesWithDestination > maxRetries:
		p.brokenf("RetriesWithDestination %d: want 0..%d", t.RetriesWithDestination, maxRetries)
	}
}

func scalingSane(p *probe, s sources.Scaling) {
	if s.Initial < 1 || s.Idle < 1 || s.Max < s.Initial || s.Max < s.Idle || s.Failing < 0 || s.PerMinute < 0 {
		p.brokenf("Scaling %+v of an unordered source: want 1 <= Initial, Idle <= Max", s)
	}
}

func provisionedSane(p *probe, s sources.Provisioned) {
	if s == (sources.Provisioned{}) {
		return
	}
	if s.MinimumPollers.Default < 1 || s.MinimumPollers.Max < s.MinimumPollers.Default ||
		s.MaximumPollers.Max < s.MaximumPollers.Default || s.Lanes < 1 || s.PerMinute < 0 {
		p.brokenf("Provisioned %+v: want 1 <= Default <= Max, and lanes", s)
	}
}

func overheadSane(p *probe, r *reader) {
	appender, ok := r.source.(sources.EventAppender)
	if !ok {
		return
	}
	const comma = 1 // which each Size counts, and the last record lacks
	empty := appender.AppendEvent(nil, "partition", nil)
	if len(empty) > r.traits.EventOverhead+comma {
		p.brokenf("EventOverhead %d, but a document without records takes %d bytes", r.traits.EventOverhead, len(empty))
	}
	if !json.Valid(empty) {
		p.brokenf("AppendEvent: the document without records is not JSON: %s", empty)
	}
}
