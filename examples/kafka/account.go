package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var errAccount = errors.New("it does not add up")

// account prints where the orders of so many rounds went, and what the group has
// committed.
func account(ctx context.Context, client *kgo.Client, shop *shop, rounds int) error {
	ends, committed, err := offsets(ctx, client)
	if err != nil {
		return err
	}
	letters, err := readDeadLetters(ctx, client)
	if err != nil {
		return err
	}
	sent, behind := 0, 0
	fmt.Fprintln(shop.out, "\ncommitted offsets")
	for p := range ends {
		fmt.Fprintf(shop.out, "  %s-%d  %3d of %3d\n", topic, p, committed[p], ends[p])
		sent += int(ends[p])
		behind += int(ends[p] - committed[p])
	}
	t := shop.tally(rounds, letters)
	fmt.Fprintf(shop.out, `
sent             %4d
handled          %4d  in %d batches, %d at the second try
dead letters     %4d  in topic %s
lost             %4d
handled twice    %4d
out of order     %4d
not committed    %4d
`, sent, t.handled, shop.batches, t.late, t.given, deadLetters, t.lost, t.twice, t.disorder, behind)
	if sent != customers*rounds || t.handled+t.given != sent || t.lost+t.twice+t.disorder+behind != 0 {
		return errAccount
	}
	fmt.Fprintln(shop.out, "\nIt adds up: every order was handled or is a dead letter, once, in the order of its customer.")
	return nil
}

// tally is what became of the orders.
type tally struct{ handled, late, given, lost, twice, disorder int }

func (s *shop) tally(rounds int, letters map[string][]int) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	var t tally
	for customer := range customers {
		key := fmt.Sprint("customer-", customer)
		times := make([]int, rounds)
		last := -1
		for _, n := range s.handled[key] {
			if times[n] == 0 && n < last {
				t.disorder++
			}
			times[n]++
			last = max(last, n)
			t.handled++
		}
		for _, n := range letters[key] {
			times[n]++
			t.given++
		}
		for n, times := range times {
			switch {
			case times == 0:
				t.lost++
			case times > 1:
				t.twice++
			case kind(customer, n) == "busy":
				t.late++
			}
		}
	}
	return t
}

// settle waits until everything that was sent is committed.
func settle(ctx context.Context, client *kgo.Client) error {
	for {
		ends, committed, err := offsets(ctx, client)
		if err != nil || committed == ends {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// offsets are the ends of the partitions, and what the group has committed of them.
func offsets(ctx context.Context, client *kgo.Client) (ends, committed [partitions]int64, err error) {
	admin := kadm.NewClient(client)
	listed, err := admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		return ends, committed, err
	}
	fetched, err := admin.FetchOffsetsForTopics(ctx, group, topic)
	if err = errors.Join(err, fetched.Error()); err != nil {
		return ends, committed, err
	}
	for p := range ends {
		ends[p] = listed[topic][int32(p)].Offset
		committed[p] = fetched[topic][int32(p)].At
	}
	return ends, committed, nil
}
