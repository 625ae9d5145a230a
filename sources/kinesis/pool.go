package kinesis

import "sync"

// mostIdle is how many goroutines of a pool stay when there is nothing to do.
const mostIdle = 32

// pool makes calls in goroutines of its own, so that ten thousand idle shards do
// not each keep a stack as deep as the SDK needs: those that wait for an answer or
// for their next turn do so in shallow ones.
type pool struct {
	tasks   chan func() // taken by those that are idle
	stop    chan struct{}
	members sync.WaitGroup

	mu   sync.Mutex
	idle int
}

func newPool() *pool { return &pool{tasks: make(chan func()), stop: make(chan struct{})} }

// do has task done by somebody idle or somebody new, and does not wait for it.
func (p *pool) do(task func()) {
	select {
	case p.tasks <- task:
	default:
		p.members.Go(func() { p.run(task) })
	}
}

func (p *pool) run(task func()) {
	for {
		task()

		if !p.rest() {
			return
		}

		select {
		case task = <-p.tasks:
			p.wake()
		case <-p.stop:
			return
		}
	}
}

// rest reports whether there is room for one more that is idle.
func (p *pool) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.idle == mostIdle {
		return false
	}

	p.idle++

	return true
}

func (p *pool) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.idle--
}

// close ends the goroutines, after the tasks under way.
func (p *pool) close() {
	close(p.stop)
	p.members.Wait()
}
