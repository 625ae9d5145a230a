package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

// item is the attributes of an item.
type item = map[string]types.AttributeValue

// shop changes the orders of the table, and keeps its own books.
type shop struct {
	server *dynamodbstreamstest.Server
	stream string
	round  int
	books  map[string]entry // open orders and those that are not, by ID
}

func newShop(server *dynamodbstreamstest.Server, stream string) *shop {
	return &shop{server: server, stream: stream, books: make(map[string]entry)}
}

// trade makes changes for a while. Shards roll over and split meanwhile.
func (s *shop) trade(ctx context.Context, out io.Writer) error {
	for range rounds {
		s.round++
		for n := range orders {
			if err := s.change(n); err != nil {
				return err
			}
		}
		if s.round%5 == 3 {
			if err := s.renew(out); err != nil {
				return err
			}
		}
		time.Sleep(20 * time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// change does something to an order.
func (s *shop) change(n int) error {
	id := "order-" + strconv.Itoa(n)
	key := item{"orderId": &types.AttributeValueMemberS{Value: id}}
	switch (n + s.round) % 9 {
	case 3:
		delete(s.books, id)
		_, err := s.server.Delete("orders", key)
		return err
	case 6:
		delete(s.books, id)
		_, err := s.server.Expire("orders", key)
		return err
	}
	e := entry{customer: "customer-" + strconv.Itoa(n%customers), cents: int64(100*n + s.round), open: (n+s.round)%4 != 0}
	s.books[id] = e
	_, err := s.server.Put("orders", item{
		"orderId": key["orderId"], "customer": &types.AttributeValueMemberS{Value: e.customer},
		"cents": &types.AttributeValueMemberN{Value: strconv.FormatInt(e.cents, 10)}, "open": &types.AttributeValueMemberBOOL{Value: e.open},
	})
	return err
}

// renew has a shard roll over, or split the first time.
func (s *shop) renew(out io.Writer) error {
	for _, shard := range s.server.Shards(s.stream) {
		if shard.Closed {
			continue
		}
		if s.round < 5 {
			_, err := s.server.Split(s.stream, shard.ID)
			fmt.Fprintln(out, "a shard splits")
			return err
		}
		_, err := s.server.Roll(s.stream, shard.ID)
		fmt.Fprintln(out, "a shard rolls over")
		return err
	}
	return errors.New("no shard is open")
}

// account holds the projection to the books.
func (s *shop) account(out io.Writer, p *projection) error {
	want := make(map[string]int64)
	for _, e := range s.books {
		if e.open {
			want[e.customer] += e.cents
		}
	}
	got := p.totals()
	fmt.Fprintf(out, "\n%d changes, %d of them came twice\n", made(s.server, s.stream), p.again)
	for _, customer := range slices.Sorted(maps.Keys(want)) {
		fmt.Fprintf(out, "%s  %6.2f\n", customer, float64(got[customer])/100)
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("the projection is %v, the table says %v", got, want)
	}
	fmt.Fprintln(out, "The projection is what the table says")
	return nil
}
