package activemq

// SetJitter has delays be chosen by a function.
func (s *Source) SetJitter(jitter func() float64) { s.jitter = jitter }
