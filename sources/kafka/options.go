package kafka

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/kafka/access"
)

// StartingPosition is where a partition is begun that the group has no committed
// offset of (KAF-05, KAF-07).
type StartingPosition int

const (
	// TrimHorizon begins with the oldest record. It is the default here; AWS wants
	// one to be named.
	TrimHorizon StartingPosition = iota
	// Latest begins with what comes after the start of the first mapping of the
	// group.
	Latest
	// AtTimestamp begins with the first record that is not older than
	// Options.StartingPositionTimestamp, at the end of a partition that has none
	// (KAF-06).
	AtTimestamp
)

const (
	// DefaultRevokeTimeout is Options.RevokeTimeout.
	DefaultRevokeTimeout = 30 * time.Second

	// maxTopic is how long a topic's name may be (KAF-03).
	maxTopic = 249
	// maxGroup is how long a group's name may be. AWS takes 200 characters.
	maxGroup = 255
	// maxRevoke keeps a rebalance within what brokers allow by default.
	maxRevoke = 15 * time.Minute
)

// Options describe a source. BootstrapServers, ConsumerGroupID, and Topics or
// TopicPattern are required.
type Options struct {
	// BootstrapServers are brokers, as host:port (KAF-02). They also stand in event
	// documents, in this order (KAF-82).
	BootstrapServers []string

	// EventSourceARN is the ARN of an MSK cluster (KAF-01): event documents then say
	// aws:kafka and bear it, else SelfManagedKafka (KAF-80, KAF-81). It has no other
	// effect.
	EventSourceARN string

	// Topics are what is read. AWS takes exactly one (KAF-03); here any number will
	// do, of 1 to 249 characters each. They must exist.
	Topics []string

	// TopicPattern is a regular expression (package regexp) instead of Topics: all
	// topics whose whole name it matches are read, also those that are created
	// later, which are found within a minute. Internal topics, which begin with two
	// underscores, are left out. An extension.
	TopicPattern string

	// ConsumerGroupID names the group, and so where the offsets are kept. Mappings
	// of one group share the partitions (KAF-09); give each mapping that is to see
	// everything a group of its own. AWS's default is the mapping's UUID (KAF-04);
	// here it is required.
	ConsumerGroupID string

	// StartingPosition is where partitions are begun if the group has committed
	// offsets of none of a topic's partitions. If it has of some, then the others
	// came later, and begin at their beginning (KAF-08; on AWS, as far as one can
	// tell, at StartingPosition, so that Latest loses their first records).
	//
	// Latest and AtTimestamp are looked up once, before the group is joined, and
	// committed before the first record is read, so that a restart or a rebalance
	// loses nothing: at once if the group has no members, else by the first member
	// that gets a partition of the topic, for all of them.
	//
	// It also says where to go on when a committed offset is not in the topic any
	// more (KAF-37, UNSURE on AWS): at the end for Latest, else at the oldest record,
	// where a mapping that has read of the partition goes on with Latest too. A topic
	// of which brokers lost the end is gone on with where it was cut off, if brokers
	// know that, and the commit says that it is of this very topic: all before that
	// was handled.
	// What was lost, or is skipped with Latest, is told at once as an error of the
	// partition, and by the measure OffsetsLost.
	StartingPosition StartingPosition

	// StartingPositionTimestamp belongs to AtTimestamp, and is not in the future
	// (KAF-05).
	StartingPositionTimestamp time.Time

	// ServerSideAssignment has the brokers assign the partitions (KIP-848, Apache
	// Kafka 4.0 and later). A broker that does not know it is used with the classic
	// protocol, which is the default: cooperative-sticky, so that a rebalance takes
	// away only what moves.
	ServerSideAssignment bool

	// InstanceID makes the mapping a static member of the group (KIP-345): a restart
	// within the session timeout (45 s, unless ClientOptions say otherwise) gets the
	// same partitions without a rebalance, and a stop keeps them for that long. Each
	// member has one of its own. Default: none.
	InstanceID string

	// RevokeTimeout is how long a partition that is revoked in a rebalance may
	// take to have its running batch end and its offset committed. Past it, the batch
	// is cancelled and nothing of it is committed: the next owner handles it again.
	// The rebalance waits so long. Default DefaultRevokeTimeout, at most 15 minutes. One
	// below the mapping's Timeout is warned of.
	RevokeTimeout time.Duration

	// ReadCommitted leaves out records of transactions that are open or were
	// aborted. What AWS does is not documented (KAF-38); the default, as that of
	// Kafka's own consumers, reads them.
	ReadCommitted bool

	// MixPartitions is AWS's way: one batch may have records of several partitions
	// (KAF-31), and one that fails holds all of them up (KAF-35). The default is a
	// lane of its own for each partition.
	MixPartitions bool

	// Access says how the brokers are reached and this client is authenticated.
	// Empty means plain text.
	Access []access.Config

	// ClientOptions are further options of the client: a dialer, hooks, a rack, a
	// session timeout. Those that this package needs for itself win over them.
	ClientOptions []kgo.Opt
}

func (o *Options) validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(len(o.BootstrapServers) > 0, "BootstrapServers: is empty; at least one host:port is needed")
	require(!slices.Contains(o.BootstrapServers, ""), "BootstrapServers: has an empty entry")
	for i, server := range o.BootstrapServers { // not told: it may hold a password
		require(!strings.ContainsFunc(server, isOdd),
			"BootstrapServers: entry %d has a user, a scheme, a path or a blank, want host:port", i+1)
	}
	require((len(o.Topics) > 0) != (o.TopicPattern != ""), "Topics: exactly one of Topics and TopicPattern must be set")
	for _, topic := range o.Topics {
		require(topic != "" && len(topic) <= maxTopic, "Topics: %.260q has %d characters, which must be 1 to %d", topic, len(topic), maxTopic)
	}
	_, err := regexp.Compile(o.TopicPattern)
	require(err == nil, "TopicPattern: %w", err)
	require(o.ConsumerGroupID != "" && len(o.ConsumerGroupID) <= maxGroup,
		"ConsumerGroupID: %.260q has %d characters, which must be 1 to %d", o.ConsumerGroupID, len(o.ConsumerGroupID), maxGroup)
	require(o.StartingPosition >= TrimHorizon && o.StartingPosition <= AtTimestamp,
		"StartingPosition: %d is not TrimHorizon, Latest or AtTimestamp", o.StartingPosition)
	require(o.StartingPosition == AtTimestamp || o.StartingPositionTimestamp.IsZero(),
		"StartingPositionTimestamp: is set, which only AtTimestamp takes")
	require(o.StartingPosition != AtTimestamp || !o.StartingPositionTimestamp.IsZero(),
		"StartingPositionTimestamp: is not set, which AtTimestamp needs")
	require(!o.StartingPositionTimestamp.After(time.Now()),
		"StartingPositionTimestamp: %v is in the future", o.StartingPositionTimestamp)
	require(o.RevokeTimeout >= 0 && o.RevokeTimeout <= maxRevoke,
		"RevokeTimeout: %v must be between 0 for the default and %v", o.RevokeTimeout, maxRevoke)
	return errors.Join(errs...)
}

// isOdd reports whether no host and no port has such a character.
func isOdd(r rune) bool {
	return strings.ContainsRune("@/,\"\\", r) || unicode.IsSpace(r) || !unicode.IsPrint(r)
}

// whole is TopicPattern for the whole name of a topic.
func (o *Options) whole() string { return "^(?:" + o.TopicPattern + ")$" }
