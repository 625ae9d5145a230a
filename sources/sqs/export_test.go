package sqs

// SetJitter replaces the random numbers of the failure back-off, so that a
// simulation can be replayed.
func (s *Source) SetJitter(jitter func() float64) { s.jitter = jitter }
