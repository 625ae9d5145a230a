package sqs

// SetThrow replaces the random numbers of the failure back-off, so that a
// simulation can be replayed.
func (s *Source) SetThrow(throw func() float64) { s.throw = throw }
