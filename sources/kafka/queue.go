package kafka

// queue is first in, first out. The zero value is empty.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) empty() bool { return q.head == len(q.items) }

// first is the one that pop takes away.
func (q *queue[T]) first() *T { return &q.items[q.head] }

func (q *queue[T]) push(item T) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 { // rather than growing
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *queue[T]) pop() {
	var none T
	q.items[q.head] = none
	q.head++
	if q.empty() {
		q.items, q.head = q.items[:0], 0
	}
}

// rest is what is queued, in order.
func (q *queue[T]) rest() []T { return q.items[q.head:] }
