package rabbitmqtest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// queue is a queue. All of it is guarded by the broker's mutex.
type queue struct {
	broker    *Broker
	name      string
	options   QueueOptions
	ready     []*message // by number
	number    uint64
	unacked   int
	acked     int
	consumers []*consumer
	turn      int // of the consumer that gets the next message
	deleted   bool
	timer     *time.Timer // for the first expiration
}

// message is one in a queue, or in a consumer's hands.
type message struct {
	amqp.Publishing
	number      uint64
	expires     time.Time // zero for never
	redelivered bool
	returns     int
}

func (q *queue) publish(p amqp.Publishing) {
	q.number++
	m := &message{Publishing: p, number: q.number}
	life := q.options.MessageTTL
	if ms, err := strconv.Atoi(p.Expiration); err == nil && (life == 0 || time.Duration(ms)*time.Millisecond < life) {
		life = time.Duration(ms) * time.Millisecond
	}
	if life > 0 || p.Expiration == "0" {
		m.expires = time.Now().Add(life)
	}
	q.ready = append(q.ready, m)
}

// serve hands out what waits, by turns, and lets expire what must wait too long.
func (q *queue) serve() {
	for len(q.ready) > 0 {
		if m := q.ready[0]; m.expired() && m.Expiration != "0" {
			q.expire()
			continue
		}
		c := q.next()
		if c == nil {
			break
		}
		m := q.ready[0]
		q.ready = q.ready[1:]
		q.unacked++
		c.deliver(m)
	}
	q.expire()
	q.arm()
}

// next is the consumer whose turn it is, nil if none has room.
func (q *queue) next() *consumer {
	for i := range q.consumers {
		c := q.consumers[(q.turn+i)%len(q.consumers)]
		if c.prefetch == 0 || c.unacked < c.prefetch {
			q.turn = (q.turn + i + 1) % len(q.consumers)
			return c
		}
	}
	return nil
}

func (m *message) expired() bool { return !m.expires.IsZero() && !time.Now().Before(m.expires) }

// expire takes out what has expired.
func (q *queue) expire() {
	for i := 0; i < len(q.ready); {
		if m := q.ready[i]; m.expired() {
			q.ready = slices.Delete(q.ready, i, i+1)
			q.bury(m, "expired")
			continue
		}
		i++
	}
}

// arm wakes the queue when the first message expires.
func (q *queue) arm() {
	q.disarm()
	var first time.Time
	for _, m := range q.ready {
		if !m.expires.IsZero() && (first.IsZero() || m.expires.Before(first)) {
			first = m.expires
		}
	}
	if first.IsZero() || q.deleted {
		return
	}
	q.timer = time.AfterFunc(time.Until(first), func() {
		q.broker.mu.Lock()
		defer q.broker.mu.Unlock()
		if !q.deleted {
			q.serve()
		}
	})
}

func (q *queue) disarm() {
	if q.timer != nil {
		q.timer.Stop()
	}
}

// putBack makes a message ready again, in its old place.
func (q *queue) putBack(m *message) {
	m.redelivered = true
	m.returns++
	q.broker.tell("returned", q, m)
	if q.options.Quorum && q.options.DeliveryLimit > 0 && m.returns > q.options.DeliveryLimit {
		q.bury(m, "delivery_limit")
		return
	}
	at, _ := slices.BinarySearchFunc(q.ready, m, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	q.ready = slices.Insert(q.ready, at, m)
}

// bury moves a message to the queue of dead letters, or drops it.
func (q *queue) bury(m *message, reason string) {
	q.broker.tell("dead", q, m)
	dead := q.broker.find(q.options.VirtualHost, q.options.DeadLetters)
	if dead == nil || dead == q {
		return
	}
	p := m.Publishing
	p.Headers = maps.Clone(p.Headers)
	if p.Headers == nil {
		p.Headers = amqp.Table{}
	}
	death := amqp.Table{
		"count": int64(1), "reason": reason, "queue": q.name, "time": time.Now().Truncate(time.Second),
		"exchange": "", "routing-keys": []any{q.name},
	}
	if p.Expiration != "" && reason == "expired" {
		death["original-expiration"] = p.Expiration
		p.Expiration = ""
	}
	p.Headers["x-death"] = []any{death}
	p.Headers["x-first-death-reason"] = reason
	p.Headers["x-first-death-queue"] = q.name
	p.Headers["x-first-death-exchange"] = ""
	dead.publish(p)
	dead.serve()
}
