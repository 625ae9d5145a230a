package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// shop is the business, which outlives the members: it takes orders.
type shop struct {
	out   io.Writer
	start time.Time

	mu      sync.Mutex
	readers map[string]string // member by partition
	handled map[string][]int  // orders by customer, as they came
	refused map[string]bool   // orders that failed
	batches int
}

func newShop(out io.Writer) *shop {
	return &shop{
		out: out, start: time.Now(),
		readers: make(map[string]string), handled: make(map[string][]int), refused: make(map[string]bool),
	}
}

// sayf prints a line of what happens.
func (s *shop) sayf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "%6.2fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// reads counts a batch, and tells when its partition gets another member.
func (s *shop) reads(member, partition string) {
	s.mu.Lock()
	changed := s.readers[partition] != member
	s.readers[partition] = member
	s.batches++
	s.mu.Unlock()
	if changed {
		s.sayf("%s reads %s", member, partition)
	}
}

// members are those that read the partitions, when all are read.
func (s *shop) members() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.readers) < partitions {
		return nil
	}
	return slices.Compact(slices.Sorted(maps.Values(s.readers)))
}

// take handles an order: not if it is poison, and not at first if the shop is busy.
func (s *shop) take(customer, text string) bool {
	time.Sleep(time.Millisecond) // an order takes a moment
	kind, n := parse(text)
	order := customer + " " + text
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == "poison" || kind == "busy" && !s.refused[order] {
		s.refused[order] = true
		return false
	}
	s.handled[customer] = append(s.handled[customer], n)
	return true
}

// kind is what sort of order a customer's nth one is.
func kind(customer, n int) string {
	switch i := n*customers + customer + 1; {
	case i%poison == 0:
		return "poison"
	case i%busy == 0:
		return "busy"
	default:
		return "order"
	}
}

func parse(text string) (kind string, n int) {
	_, err := fmt.Sscanf(text, "%s %d", &kind, &n)
	if err != nil {
		panic(err) // nobody else writes to the topic
	}
	return kind, n
}
