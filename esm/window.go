package esm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// windowIdle is how long a window whose time is over stays open for want of
	// records (KIN-182).
	windowIdle = 2 * time.Minute
	// maxState is the size of a state that ends its window early (KIN-176).
	maxState = 1 << 20
	// windowOverhead is what an event document takes for the members of a window
	// besides its state, the shard's ID and the source's ARN.
	windowOverhead = 400
	// emptyState is the state of a window that begins (KIN-172).
	emptyState = "{}"
)

var (
	errWindowDue  = errors.New("tumbling window is due")
	errState      = errors.New("response has no state, though there is a tumbling window")
	errLargeState = errors.New("state fits into no event document")
)

// Window is what a handler is told of the tumbling window of its batch: with event
// documents by their members window, state, isFinalInvokeForWindow and
// isWindowTerminatedEarly, which events.KinesisTimeWindowEvent and its kin have,
// else by [WindowOf].
//
// Windows follow each other without a gap, from multiples of their length since
// 1970 (KIN-171). A record belongs to the window that it arrived in, or to the open
// one if that is a later one. A batch has records of one window only. Each response
// has a state, a JSON object, which the next invocation of the window gets; a
// response without one fails the batch (KIN-178). A batch that fails is tried again
// with the state that it was tried with (KIN-180); one that fails partially goes on
// with the state of its response.
//
// A window ends with an invocation that has no records and is Final (KIN-174,
// KIN-175), when a record of a later window is there, when the shard ends, or when
// nothing came for two minutes after its end (KIN-182, KIN-183). It holds the shard
// until it succeeds, whatever MaximumRetryAttempts says (KIN-181); its response does
// not count. A state above 1 MB, or above a quarter of MaximumBatchBytes, ends the
// window early, and the same window begins anew with the next record (KIN-176,
// KIN-177).
//
// The state is stored with the position, so that after a restart each record is in
// it once, but the final invocation of a window may come twice.
type Window struct {
	// Start and End of the window; a record that arrived at End is in the next.
	Start, End time.Time
	// State is what the window's last invocation responded, a JSON object.
	State []byte
	// Final says that this is the last invocation of the window. Early, that it is
	// so because the state is too large.
	Final, Early bool
}

type windowKey struct{}

// WindowOf returns the tumbling window of a handler's batch, from the context of its
// invocation.
func WindowOf(ctx context.Context) (Window, bool) {
	w, ok := ctx.Value(windowKey{}).(Window)
	return w, ok
}

// overhead is what an event document takes besides its records.
func (c Config) overhead(traits sources.Traits) int {
	if c.TumblingWindow <= 0 {
		return traits.EventOverhead
	}
	return traits.EventOverhead + windowOverhead + len(traits.ARN) + c.maxState()
}

// maxState is the size of a state that ends its window early.
func (c Config) maxState() int { return min(maxState, c.MaximumBatchBytes/4) }

// appendWindow adds the members of a window to an event document (KIN-198).
func (p *part) appendWindow(document []byte, w *Window) []byte {
	const layout = `"2006-01-02T15:04:05Z"`
	dst := document[:len(document)-1] // without its brace
	dst = w.Start.UTC().AppendFormat(append(dst, `,"window":{"start":`...), layout)
	dst = w.End.UTC().AppendFormat(append(dst, `,"end":`...), layout)
	dst = append(append(dst, `},"state":`...), w.State...)
	dst = append(dst, `,"shardId":`...)
	dst, _ = appendJSON(dst, p.id) // a string cannot fail
	dst = append(dst, `,"eventSourceARN":`...)
	dst, _ = appendJSON(dst, p.traits.ARN)
	dst = strconv.AppendBool(append(dst, `,"isFinalInvokeForWindow":`...), w.Final)
	dst = strconv.AppendBool(append(dst, `,"isWindowTerminatedEarly":`...), w.Early)
	return append(dst, '}')
}

// readState reads the new state out of a response.
func (p *part) readState(body []byte) ([]byte, error) {
	var response struct {
		State json.RawMessage `json:"state"`
	}
	if json.Unmarshal(body, &response) != nil || response.State == nil {
		return nil, errState
	}
	return p.checkState(response.State)
}

// checkState returns a copy of a state that is one.
func (p *part) checkState(state []byte) ([]byte, error) {
	state = bytes.TrimSpace(state)
	switch {
	case len(state) == 0, string(state) == "null":
		return []byte(emptyState), nil
	case state[0] != '{', !json.Valid(state):
		return nil, errState
	case len(state) > p.config.MaximumBatchBytes-p.config.overhead(p.traits)+p.config.maxState():
		return nil, errLargeState
	}
	return bytes.Clone(state), nil
}

// window is the tumbling window that is open in a lane.
type window struct {
	start, end time.Time
	state      []byte
	// used says that a batch is in the state.
	used bool
	// touched is when its last batch was handled.
	touched time.Time
}

// due is when the window is closed if nothing comes.
func (w *window) due() time.Time {
	if w.touched.After(w.end) {
		return w.touched.Add(windowIdle)
	}
	return w.end.Add(windowIdle)
}

// event is what the handler is told of the window; nil if there is none. The state is a
// copy: the handler may write to its own.
func (w *window) event(final, early bool) *Window {
	if w == nil {
		return nil
	}
	return &Window{Start: w.start, End: w.end, State: bytes.Clone(w.state), Final: final, Early: early}
}

// stored is how a window is kept beside the position.
type stored struct {
	Start int64           `json:"start"` // in seconds since 1970
	End   int64           `json:"end"`
	State json.RawMessage `json:"state"`
}

// encode is what restore reads; nil if there is nothing to keep.
func (w *window) encode() []byte {
	if !w.used {
		return nil
	}
	return fmt.Appendf(nil, `{"start":%d,"end":%d,"state":%s}`, w.start.Unix(), w.end.Unix(), w.state)
}

// restore opens the window that was stored, and reports whether there is one.
func (s *sublane) restore(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	var kept stored
	if err := json.Unmarshal(text, &kept); err != nil || len(kept.State) == 0 {
		s.parent.warn("the stored state of a tumbling window cannot be read, going on without it", err)
		return false
	}
	s.window = &window{
		start: time.Unix(kept.Start, 0), end: time.Unix(kept.End, 0), state: kept.State, used: true, touched: time.Now(),
	}
	s.parent.window = text
	return true
}

// enterWindow has the window of the held record at from open, after it has closed an
// earlier one. It returns the end of the run of records that belong to it, and false
// if the mapping stopped first.
func (s *sublane) enterWindow(from, n int) (int, bool) {
	length := s.parent.config.TumblingWindow
	if s.window != nil && startOf(&s.held[from], length).After(s.window.start) && !s.closeWindow() {
		return from, false
	}
	if s.window == nil {
		start := startOf(&s.held[from], length)
		s.window = &window{start: start, end: start.Add(length), state: []byte(emptyState), touched: time.Now()}
	}
	to := from + 1
	for to < n && !startOf(&s.held[to], length).After(s.window.start) {
		to++
	}
	return to, true
}

// startOf is the start of the window that a record arrived in. A source that tells
// no time gives all to the window of now.
func startOf(r *sources.Record, length time.Duration) time.Time {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	return time.Unix(at.Unix()-floorMod(at.Unix(), int64(length/time.Second)), 0)
}

func floorMod(a, b int64) int64 { return (a%b + b) % b }

// finishedBatch finishes records that the handler took, with the new state of their
// window. It reports false if the mapping stopped.
func (s *sublane) finishedBatch(records []sources.Record) bool {
	if s.window == nil {
		s.parent.finished(records)
		return true
	}
	s.window.state, s.window.used, s.window.touched = s.last.state, true, time.Now()
	s.parent.finishedWindow(records, s.window.encode())
	if len(s.window.state) <= s.parent.config.maxState() {
		return true
	}
	if !s.finalInvoke(true) {
		return false
	}
	s.window.state, s.window.used = []byte(emptyState), false
	s.parent.finishedWindow(nil, nil)
	return true
}

// closeWindow closes the open window, and reports false if the mapping stopped
// first.
func (s *sublane) closeWindow() bool {
	if s.window.used {
		if !s.finalInvoke(false) {
			return false
		}
		s.parent.finishedWindow(nil, nil)
	}
	s.window = nil
	return true
}

// finalInvoke makes the final invocation of the open window, as often as it takes,
// and reports false if the mapping stopped first.
func (s *sublane) finalInvoke(early bool) bool {
	o := s.parent
	for failures := 1; o.soft.Err() == nil; failures++ {
		s.invoker.window = s.window.event(true, early)
		result := s.invoke(nil)
		if result.verdict == succeeded {
			return true
		}
		if o.over() {
			return false
		}
		o.config.Logger.Warn("the final invocation of a tumbling window failed, trying again", append(o.attrs(),
			slog.Time("window", s.window.start), slog.Int("attempt", failures))...)
		delay := max(o.config.RetryBackoff.Delay(failures, o.config.Jitter()), result.retryAfter)
		sleep(o.soft, delay)
	}
	return false
}
