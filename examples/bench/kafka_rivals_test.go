package bench_test

import (
	"context"
	"errors"
	"slices"

	ibm "github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is a loop around the bare client, which commits after each poll.
func franz(ctx context.Context, brokers []string, m *meter) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("bench"), kgo.ConsumeTopics(kafkaTopic),
		kgo.DisableAutoCommit())
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 0)
		handled := 0
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for batch := range slices.Chunk(p.Records, kafkaBatch) {
				handled += len(batch)
			}
		})
		if err := client.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		m.add(handled)
	}
	return nil
}

// sarama marks each record, and leaves it to the client to commit, each second.
func sarama(ctx context.Context, brokers []string, m *meter) error {
	return saramaGroup(ctx, brokers, true, func(session ibm.ConsumerGroupSession, claim ibm.ConsumerGroupClaim) {
		handled := 0
		for message := range claim.Messages() {
			session.MarkMessage(message, "")
			if handled++; handled == kafkaBatch {
				m.add(handled)
				handled = 0
			}
		}
	})
}

// saramaBatch gathers batches, and commits after each, as a mapping that hands over
// batches would have to.
func saramaBatch(ctx context.Context, brokers []string, m *meter) error {
	return saramaGroup(ctx, brokers, false, func(session ibm.ConsumerGroupSession, claim ibm.ConsumerGroupClaim) {
		batch := make([]*ibm.ConsumerMessage, 0, kafkaBatch)
		for message := range claim.Messages() {
			batch = append(batch, message)
			if len(batch) < kafkaBatch {
				continue
			}
			session.MarkMessage(message, "")
			session.Commit()
			m.add(len(batch))
			batch = batch[:0]
		}
	})
}

func saramaGroup(ctx context.Context, brokers []string, autoCommit bool, consume saramaHandler) error {
	config := ibm.NewConfig()
	config.Version = ibm.MaxVersion
	config.Consumer.Offsets.Initial = ibm.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = autoCommit
	group, err := ibm.NewConsumerGroup(brokers, "bench", config)
	if err != nil {
		return err
	}
	for err == nil && ctx.Err() == nil {
		err = group.Consume(ctx, []string{kafkaTopic}, consume)
	}
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, group.Close())
}

type saramaHandler func(session ibm.ConsumerGroupSession, claim ibm.ConsumerGroupClaim)

func (saramaHandler) Setup(ibm.ConsumerGroupSession) error   { return nil }
func (saramaHandler) Cleanup(ibm.ConsumerGroupSession) error { return nil }

func (h saramaHandler) ConsumeClaim(session ibm.ConsumerGroupSession, claim ibm.ConsumerGroupClaim) error {
	h(session, claim)
	return nil
}
