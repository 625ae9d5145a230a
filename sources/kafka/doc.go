// Package kafka reads topics of Apache Kafka, Amazon MSK included, for a mapping.
//
// # Use
//
//	source, err := kafka.New(kafka.Options{
//		BootstrapServers: []string{"k1.example.com:9092", "k2.example.com:9092"},
//		Topics:           []string{"orders"},
//		ConsumerGroupID:  "billing",
//		Access:           []access.Config{access.SASLSCRAM512("user", password)},
//	})
//
// A handler of records finds franz-go's *kgo.Record in Record.Native; it must not be
// modified. Record.ID is topic, hyphen, partition, colon, offset: "orders-0:15". A
// handler of event documents, events.KafkaEvent, finds keys and values in Base64
// (KAF-86), and answers with an [EventResponse].
//
// The mapping is a member of a consumer group, and may be one of many: the group
// shares the partitions out, and keeps the offsets. Package access says how brokers
// are reached that want to know who it is.
//
// # Lanes
//
// Each partition is a lane: its batches follow each other, and nothing that another
// partition does holds them up. With esm.Config.ParallelizationFactor the records of a
// partition are handled in sub-lanes by their keys, each in order; records without a
// key are of one sub-lane. On AWS a mapping has one poller or more, whose batches are
// of several partitions and hold each other up (KAF-31, KAF-35);
// [Options.MixPartitions] makes this process one such poller.
//
// The client is polled all the time, whatever handlers do (KAF-187). A lane whose
// records are not taken is paused alone.
//
// # Delivery semantics
//
// At least once, in order for each partition. An offset is committed after all records
// before it succeeded or were given up by a rule, and never before (KAF-69, KAF-184);
// the client's own commits are off. The offsets of all partitions go together, at most
// twenty times a second; so a crash repeats about as much, and a stop or a rebalance
// nothing but what was done behind a record that was not. Offsets that are missing,
// through compaction or transactions, are passed by, the marks at the end of transactions
// too. Where nothing comes behind such offsets that takes some seconds; five minutes where
// the broker has not even an empty batch.
//
// After a partial failure only the records that were named are tried again (KAF-67), so
// those that came behind them in the batch may be done before. Further batches wait.
// Where order matters, name all that come behind in the partition too, and let
// esm.Config.BisectBatchOnFunctionError find the one that is to be given up.
//
// Done behind a record that is not may be: what came behind one that was named alone;
// records of other keys, with a ParallelizationFactor; those of other partitions, with
// MixPartitions. The next owner handles them again.
//
// When a rebalance asks a partition back, its running batch may end, and is committed,
// before it is given away ([Options.RevokeTimeout]); its other records are the next
// owner's. Nothing is committed of a partition that is not owned any more: brokers do
// not check that.
//
// A record that its topic does not keep any longer (retention.ms, where cleanup.policy has
// delete) is tried no more: it goes to the on-failure destination, or is dropped and
// counted. Its age is that of its timestamp, as for brokers; one without never expires. One
// that is read all the same, for brokers delete whole segments, is tried for five minutes.
// Brokers are asked at the start and every five minutes, which takes DescribeConfigs on the
// topic: without that permission nothing expires.
//
// # In trouble
//
//   - A broker that is down, moves, or answers with errors: the client tries again. The
//     mapping goes on with what it has; commits are repeated until they succeed.
//   - A connection that fails is told of with what it likely comes from: TLS at a port
//     for plain text, plain text at one for TLS, a password that is wrong, where brokers
//     say no more than to hang up; a certificate that is refused ends the start.
//   - A member that was cut off for longer than the session timeout loses its
//     partitions: handlers are cancelled with sources.ErrLost, nothing more is committed,
//     and the mapping joins the group anew.
//   - A committed offset that is not in the topic any more: [Options.StartingPosition]
//     says where to go on. Each loss is a [LossError], seen by the observer as
//     PollingErrorCount and in the log.
//   - A topic that is deleted and made anew is read from its beginning, within some
//     seconds. Each commit says in its metadata of which topic it is, by the topic's ID
//     (Apache Kafka 2.8 and later), so that one of the old topic that comes late is not
//     taken for a place in the new one. At the start, a topic that brokers do not know for three seconds ends the
//     mapping.
//   - A partition whose offset cannot be fetched, or that has a batch over the limit of
//     decompression (kgo.MaxDecompressBatchBytes), is tried again every four seconds, and
//     told of each time. No other partition waits for it.
//   - A commit that is refused is made again until it succeeds; when the mapping is
//     stopped, and a commit was refused three times, it is not waited for.
//   - A request that a broker does not answer is given up ten seconds after the broker
//     should have answered, a commit or a leave after five; a call of Start after 30. It
//     is made again, and told as a failed read. One to join the group, which waits for the
//     other members to give partitions back, is told of after 45 seconds, and given up
//     40 seconds after RevokeTimeout. kgo.RequestTimeoutOverhead among
//     [Options.ClientOptions] changes the ten seconds. A kgo.Dialer must have a time
//     limit of its own.
//   - What the brokers refuse at the start (KAF-18), and a topic that does not exist, end
//     the mapping with sources.ErrUnusable. A permission that is withdrawn later is
//     waited for.
//
// # Memory
//
// The client holds one fetch of each broker, which brings at most a MiB of a partition
// and 16 MiB in all, compressed. What it gives away is taken by the lanes before more is
// asked for; but one that takes longer than some milliseconds is waited for no more, and
// buffers up to 2 MiB and one fetch before the client leaves its partition out. What a
// batch gathers, and what is handled, comes on top. [Options.ClientOptions] may change
// the sizes of fetches.
//
// # What differs from Lambda
//
//   - Retry limits, bisecting, partial failures and all destinations are always there,
//     not in provisioned mode only (KAF-56). Provisioned mode itself (KAF-52) is refused:
//     all partitions that the group gives this process are read at once.
//   - With a destination and without a limit a batch is retried ten times (KAF-61),
//     whatever the destination.
//   - The zero Options begin at TRIM_HORIZON; AWS wants a position to be named.
//   - A partition that comes later is read from its beginning (KAF-08).
//   - Filter patterns may name topic, partition, offset, timestamp, key and headers beside
//     value, which is all that AWS speaks of (KAF-150). Package filter says how they are
//     seen. One that asks for what no record has is refused.
//   - A batching window starts with the first record of a batch (KAF-13 is in conflict
//     with itself on AWS).
//   - A batch of mixed partitions is bisected in the order in which it came, so that
//     both halves keep the order of each partition (KAF-64).
//   - MaximumRecordAge counts from the record's timestamp, which the producer may set
//     (KAF-63): one in the future is of no age, and a record without one is too.
//   - A tombstone has no member value in its event document, an empty value is "" (KAF-88).
//
// # Testing
//
// Package kfake of franz-go is a Kafka in memory; examples/kafka uses it.
package kafka
