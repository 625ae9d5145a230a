package main

import (
	"context"
	"sync"

	"github.com/aws/aws-lambda-go/events"
)

// projection is the other store: what each customer has in open orders.
type projection struct {
	mu     sync.Mutex
	orders map[string]entry
	seen   map[string]bool // changes, by event ID
	again  int             // that came twice
}

// entry is what the projection knows of an order.
type entry struct {
	customer string
	cents    int64
	open     bool
}

func newProjection() *projection {
	return &projection{orders: make(map[string]entry), seen: make(map[string]bool)}
}

// apply is the handler. An error would have the batch come again.
func (p *projection) apply(_ context.Context, event events.DynamoDBEvent) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, record := range event.Records {
		if p.seen[record.EventID] {
			p.again++
			continue
		}
		order := record.Change.Keys["orderId"].String()
		image := record.Change.NewImage
		if record.EventName == "REMOVE" { // deleted, or expired
			delete(p.orders, order)
		} else {
			cents, err := image["cents"].Integer()
			if err != nil {
				return err
			}
			p.orders[order] = entry{customer: image["customer"].String(), cents: cents, open: image["open"].Boolean()}
		}
		p.seen[record.EventID] = true
	}
	return nil
}

// has reports whether so many changes were applied.
func (p *projection) has(changes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen) == changes
}

// totals are the cents of open orders, by customer.
func (p *projection) totals() map[string]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]int64)
	for _, e := range p.orders {
		if e.open {
			all[e.customer] += e.cents
		}
	}
	return all
}
