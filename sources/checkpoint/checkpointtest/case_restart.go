package checkpointtest

import "strconv"

func restartCases() []testCase {
	return []testCase{
		{"RestartKeeps", "what was written is there after a restart, and nothing else", restartKeeps, true},
		{"RestartFences", "after a restart a write of an older Counter is ErrConflict still", restartFences, true},
		{"RestartAgain", "a store may be restarted any number of times, and written to between", restartAgain, true},
	}
}

func restartKeeps(p *probe) {
	a, b, c := full("a"), full("b"), full("c")
	p.create(a)
	p.create(b)
	p.create(c)
	p.update(a, renewed(a))
	p.update(renewed(a), renewed(renewed(a)))
	p.remove(b)
	p.reopen()
	p.holds("after a restart", renewed(renewed(a)), c)
	p.create(b)
	p.holds("after Create behind a restart", renewed(renewed(a)), b, c)
}

func restartFences(p *probe) {
	a := full("a")
	p.create(a)
	p.update(a, renewed(a))
	p.reopen()
	p.conflict("Update of an older Counter", p.store.Update(p.ctx, a, renewed(a)))
	p.conflict("Create of what exists", p.store.Create(p.ctx, a))
	p.conflict("Delete of an older Counter", p.store.Delete(p.ctx, a))
	p.holds("after a restart", renewed(a))
}

func restartAgain(p *probe) {
	last := full("a")
	p.create(last)
	for round := range rounds {
		p.reopen()
		p.holds("after restart "+strconv.Itoa(round), last)
		next := by(renewed(last), round)
		p.update(last, next)
		last = next
	}
	p.reopen()
	p.reopen()
	p.holds("after the last restart", last)
}
