package sqstest

import (
	"strings"
	"time"
)

// lookup returns the queue that a request or a caller means. The mutex is held.
func (s *Server) lookup(queue string) (*queue, error) {
	if q, ok := s.queues[queueKey(queue)]; ok {
		return q, nil
	}
	return nil, QueueDoesNotExist()
}

// open returns the queue, brought up to now. The mutex is held.
func (s *Server) open(queue string, now time.Time) (*queue, error) {
	q, err := s.lookup(queue)
	if err == nil {
		q.settle(now)
	}
	return q, err
}

// AddQueue makes a queue in any account and region, named by its ARN, with the
// attributes of CreateQueue, and returns its URL at the in-memory server. If
// the queue exists with the same attributes, nothing happens.
func (s *Server) AddQueue(arn string, attributes map[string]string) (string, error) {
	n, ok := parseARN(arn)
	if !ok {
		return "", invalidParameter("The ARN of a queue has six parts, such as arn:aws:sqs:eu-west-1:123456789012:name.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.create(n, attributes, time.Now())
	if err != nil {
		return "", err
	}
	return s.URL() + q.path, nil
}

// create makes a queue, or returns the one there is. The mutex is held.
func (s *Server) create(n name, attributes map[string]string, now time.Time) (*queue, error) {
	if err := checkName(n.name, attributes); err != nil {
		return nil, err
	}
	base := defaultSettings()
	if q, ok := s.queues[n.path()]; ok {
		base = q.settings
	}
	set, err := base.with(attributes)
	if err != nil {
		return nil, err
	}
	if err := s.checkRedrive(set); err != nil {
		return nil, err
	}
	if q, ok := s.queues[n.path()]; ok {
		for name := range attributes {
			if set.raw[name] != q.settings.raw[name] {
				return nil, sqsError("QueueNameExists", "QueueAlreadyExists",
					"A queue already exists with the same name and a different value for attribute "+name)
			}
		}
		return q, nil
	}
	s.created++
	q := newQueue(s, n, set, now)
	s.queues[n.path()] = q
	return q, nil
}

// checkName holds a queue's name to its rules and to its kind.
func checkName(name string, attributes map[string]string) error {
	base, hasSuffix := strings.CutSuffix(name, ".fifo")
	legal := name != "" && len(name) <= 80
	for _, c := range []byte(base) {
		legal = legal && isNameByte(c)
	}
	if !legal {
		return invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if hasSuffix != (attributes["FifoQueue"] == "true") {
		return invalidParameter("The name of a FIFO queue, and of no other, ends with the .fifo suffix.")
	}
	return nil
}

func isNameByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		return true
	default:
		return false
	}
}

// checkRedrive holds a redrive policy to the queue that it names (SQS-36). The
// mutex is held.
func (s *Server) checkRedrive(set settings) error {
	if set.redrive.target == "" {
		return nil
	}
	dead, ok := s.queues[queueKey(set.redrive.target)]
	if !ok {
		return invalidParameter("Value for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.")
	}
	if dead.settings.fifo != set.fifo {
		return invalidParameter("Value for parameter RedrivePolicy is invalid. " +
			"Reason: Dead-letter queue must be same type of queue as the source.")
	}
	return nil
}
