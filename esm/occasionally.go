package esm

import (
	"sync"
	"time"
)

// logInterval is the least time between two lines about the same thing.
const logInterval = time.Minute

// occasionally logs what may happen all the time: the first time at once, and then
// once a minute at most, with how often it happened since the line before. Nothing
// is left unsaid: what was held back is logged when its minute is over, and by close.
// It may be used concurrently.
type occasionally struct {
	// log is called with the last error, and how many times a line stands for.
	log func(err error, times int)

	mu     sync.Mutex
	timer  *time.Timer // runs for a minute after each line
	err    error
	times  int // since the last line
	closed bool
	lapses sync.WaitGroup
}

func newOccasionally(log func(err error, times int)) *occasionally {
	return &occasionally{log: log}
}

// tell tells that it happened once more. After close it does nothing.
func (o *occasionally) tell(err error) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return
	}
	if o.timer != nil {
		o.err = err
		o.times++
		o.mu.Unlock()
		return
	}
	o.arm()
	o.mu.Unlock()
	o.log(err, 1)
}

// arm starts a minute. The caller holds mu.
func (o *occasionally) arm() {
	o.lapses.Add(1)
	o.timer = time.AfterFunc(logInterval, o.lapse)
}

// lapse ends a minute.
func (o *occasionally) lapse() {
	defer o.lapses.Done()
	o.mu.Lock()
	times, err := o.take()
	if times > 0 && !o.closed {
		o.arm()
	}
	o.mu.Unlock()
	if times > 0 {
		o.log(err, times)
	}
}

// take takes what was held back, and ends the minute. The caller holds mu.
func (o *occasionally) take() (times int, err error) {
	times, err = o.times, o.err
	o.err, o.times, o.timer = nil, 0, nil
	return times, err
}

// close logs what was held back, and ends it.
func (o *occasionally) close() {
	o.mu.Lock()
	var err error
	var times int
	if o.timer != nil && o.timer.Stop() {
		times, err = o.take()
		o.lapses.Done()
	}
	o.closed = true
	o.mu.Unlock()
	if times > 0 {
		o.log(err, times)
	}
	o.lapses.Wait()
}
