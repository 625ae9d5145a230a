package activemq

// SetJitter has delays be chosen by a function.
func (s *Source) SetJitter(jitter func() float64) { s.jitter = jitter }

// Dialer is the client of AMQP 1.0.
func Dialer(options Options) Client {
	return &dialer{dial: options.Dial, secure: options.TLS}
}

// IdleTimeout is after how long a silent broker is taken for dead.
const IdleTimeout = idleTimeout
