package sourcetest

import (
	"fmt"
	"slices"
)

// orderKeys is how many keys an ordered source gets when a case names none.
const orderKeys = 4

// send puts count messages into the source and returns their bodies, which are
// all different. Keys are used in turn; without keys an ordered source gets a
// few, and a grouped one a group a message, so that none is withheld.
func (r *reader) send(count int, keys ...string) []string {
	messages := make([]Message, count)
	bodies := make([]string, count)
	for i := range messages {
		r.p.serial++
		bodies[i] = fmt.Sprintf("record %04d", r.p.serial)
		messages[i] = Message{Key: r.key(i, keys), Data: []byte(bodies[i])}
	}
	r.sendAll(messages)
	return bodies
}

func (r *reader) sendAll(messages []Message) {
	r.p.unable("Send", r.p.harness.Send(r.p.ctx, messages...))
}

func (r *reader) key(i int, keys []string) string {
	switch {
	case !r.traits.Ordered && !r.traits.Grouped:
		return ""
	case len(keys) > 0:
		return keys[i%len(keys)]
	case r.traits.Grouped:
		return fmt.Sprintf("group-%d", r.p.serial)
	default:
		return fmt.Sprintf("key-%d", i%orderKeys)
	}
}

// exactly looks that each of bodies was got once, and nothing else.
func (r *reader) exactly(got []taken, bodies []string) {
	count := make(map[string]int, len(bodies))
	for i := range got {
		count[string(got[i].Data)]++
	}
	for _, body := range bodies {
		if count[body] == 0 {
			r.p.brokenf("%q did not come", body)
		}
	}
	for body, times := range count {
		if times > 1 {
			r.p.brokenf("%q came %d times", body, times)
		}
		if !slices.Contains(bodies, body) {
			r.p.brokenf("%q came, which was not sent or was settled before", body)
		}
	}
}

// inOrder looks that the records of each key came in the order of bodies.
func (r *reader) inOrder(got []taken, bodies []string) {
	place := make(map[string]int, len(bodies))
	for i, body := range bodies {
		place[body] = i
	}
	last := make(map[string]int)
	for i := range got {
		body, key := string(got[i].Data), got[i].Key
		if before, ok := last[key]; ok && place[body] < before {
			r.p.brokenf("%q came after %q, which was sent later with the same key %q", body, bodies[before], key)
		}
		last[key] = place[body]
	}
}
