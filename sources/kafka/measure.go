package kafka

import (
	"time"

	"github.com/openesm/openesm/sources"
)

// Measure tells [OffsetLag] of each partition, [MaxOffsetLag], [SumOffsetLag] and
// [OffsetsLost]. The lag counts from what was settled. The brokers are asked every five
// seconds; a lag that is not known is not told, and neither are the largest and the sum
// then. See [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure {
	s.mu.Lock()
	defer s.mu.Unlock()
	largest, sum, unknown := 0, 0, false
	now := time.Now()
	for _, a := range s.owned {
		lag, known := a.lag(now)
		if !known {
			unknown = true
			continue
		}
		dst = append(dst, sources.Measure{Name: OffsetLag, Partition: a.name, Count: lag})
		largest, sum = max(largest, lag), sum+lag
	}
	if !unknown {
		dst = append(dst, sources.Measure{Name: MaxOffsetLag, Count: largest}, sources.Measure{Name: SumOffsetLag, Count: sum})
	}
	return append(dst, sources.Measure{Name: OffsetsLost, Count: int(s.missed), Total: true})
}

// lag is how many offsets lie between what was settled and the newest one, if both are
// known.
func (a *assignment) lag(now time.Time) (int, bool) {
	at := a.position()
	if at < 0 || a.end < 0 || now.Sub(a.known) > current {
		return 0, false
	}
	return int(max(a.end-at, 0)), true
}
