// Package pool runs tasks in goroutines that stay for the next task: a new one
// would have to grow its stack to the depth of an SDK each time, which costs a
// tenth of a call.
package pool

import (
	"slices"
	"sync"
	"time"
)

// Pool runs tasks of type T, each at once. Goroutines that had nothing to do for a
// while end; those that worked last get the next tasks, so that the others rest.
// Make one with [New].
type Pool[T any] struct {
	worker  func() func(T)
	rest    time.Duration
	running sync.WaitGroup

	mu     sync.Mutex // of what follows; nothing blocks under it
	idle   []chan T   // of idle goroutines, the one that worked last at the end
	closed bool
}

// New returns an empty pool. Each goroutine calls worker once, and what that
// returns for each task: it may keep what one task after the other needs. A
// goroutine ends after it was idle for rest.
func New[T any](worker func() func(task T), rest time.Duration) *Pool[T] {
	return &Pool[T]{worker: worker, rest: rest}
}

// Do has task done by somebody idle or somebody new, and does not wait for it. It is
// not called once Close was.
func (p *Pool[T]) Do(task T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		tasks := p.idle[last]
		p.idle = p.idle[:last]
		tasks <- task // there is room for one
		return
	}
	p.running.Go(func() { p.run(task) })
}

// Close ends the goroutines and returns when they have done their tasks.
func (p *Pool[T]) Close() {
	p.mu.Lock()
	p.closed = true
	for _, tasks := range p.idle {
		close(tasks)
	}
	p.idle = nil
	p.mu.Unlock()
	p.running.Wait()
}

// Idle returns how many goroutines have nothing to do.
func (p *Pool[T]) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

func (p *Pool[T]) run(task T) {
	do, tasks := p.worker(), make(chan T, 1)
	timer := time.NewTimer(p.rest)
	defer timer.Stop()
	for ok := true; ok; {
		do(task)
		if !p.settle(tasks) {
			return
		}
		timer.Reset(p.rest)
		select {
		case task, ok = <-tasks:
		case <-timer.C:
			if p.leave(tasks) {
				return
			}
			task, ok = <-tasks // which came at the same time
		}
	}
}

// settle adds a goroutine to the idle ones, unless the pool is closed.
func (p *Pool[T]) settle(tasks chan T) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.idle = append(p.idle, tasks)
	}
	return !p.closed
}

// leave takes a goroutine from the idle ones. It reports false if it was none any
// more: it got a task, or the pool was closed.
func (p *Pool[T]) leave(tasks chan T) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, tasks)
	if i < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	return true
}
