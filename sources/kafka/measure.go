package kafka

import "github.com/openesm/openesm/sources"

// Measure tells how many offsets each partition is behind the newest one that the
// client knows of, OffsetLag (KAF-170), the largest and the sum of them, MaxOffsetLag
// and SumOffsetLag (KAF-171), and OffsetsLost, a total: how many were deleted before
// they were read (KAF-37). The lag counts from what was
// settled. See [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure {
	s.mu.Lock()
	defer s.mu.Unlock()

	most, sum := 0, 0

	for _, a := range s.owned {
		lag := a.lag()
		dst = append(dst, sources.Measure{Name: "OffsetLag", Partition: a.name, Count: lag})
		most, sum = max(most, lag), sum+lag
	}

	return append(dst,
		sources.Measure{Name: "MaxOffsetLag", Count: most},
		sources.Measure{Name: "SumOffsetLag", Count: sum},
		sources.Measure{Name: "OffsetsLost", Count: int(s.missed), Total: true},
	)
}

// lag is how many offsets lie between what was settled and the newest one known.
func (a *assignment) lag() int {
	at := a.settled.Offset
	if at < 0 {
		at = a.first
	}

	if at < 0 || a.end < 0 {
		return 0
	}

	return int(max(a.end-at, 0))
}
