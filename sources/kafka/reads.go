package kafka

import (
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/openesm/openesm/sources"
)

var _ sources.TopicReader = (*Source)(nil)

// ReadsTopic reports whether the source reads a topic of a cluster that one of brokers
// belongs to. It knows only the brokers of BootstrapServers.
func (s *Source) ReadsTopic(topic string, brokers []string) bool {
	return s.names(topic) && slices.ContainsFunc(s.options.BootstrapServers, func(own string) bool {
		return slices.ContainsFunc(brokers, func(other string) bool { return sameBroker(own, other) })
	})
}

// names reports whether a topic of that name is read.
func (s *Source) names(topic string) bool {
	if s.options.TopicPattern == "" {
		return slices.Contains(s.options.Topics, topic)
	}
	whole, err := regexp.Compile(s.options.whole())
	return err == nil && whole.MatchString(topic)
}

// sameBroker compares host:port, where the port may be missing.
func sameBroker(a, b string) bool { return strings.EqualFold(withPort(a), withPort(b)) }

func withPort(broker string) string {
	const usual = "9092"
	if _, _, err := net.SplitHostPort(broker); err != nil {
		return net.JoinHostPort(strings.Trim(broker, "[]"), usual)
	}
	return broker
}
