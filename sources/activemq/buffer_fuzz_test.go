package activemq

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// bufferModel is a buffer beside what lanes hold of it.
type bufferModel struct {
	t      *testing.T
	buffer *buffer
	life   *life
	now    time.Time
	lanes  [3][]*Message // in hand, by lane
	ready  []*Message    // what must be buffered
	sent   uint64
}

func (m *bufferModel) add(group int) {
	m.sent++
	one := &Message{Message: &amqp.Message{}, life: m.life, number: m.sent, size: 1 + group}
	if group > 0 {
		one.Properties = &amqp.MessageProperties{GroupID: new(strings.Repeat("g", group))}
	}
	m.buffer.add([]*Message{one})
	m.ready = append(m.ready, one)
}

// holder is the lane that holds some of a group, -1 for none.
func (m *bufferModel) holder(group string) int {
	for i, lane := range m.lanes {
		if slices.ContainsFunc(lane, func(one *Message) bool { return one.groupName() == group }) {
			return i
		}
	}
	return -1
}

// take hands out to a lane, and checks that it is as much as may be, and the first of each
// group.
func (m *bufferModel) take(lane, most int, joins bool) {
	m.buffer.turn++
	if joins {
		for _, one := range m.lanes[lane] {
			m.buffer.hold(one)
		}
	}
	may := 0
	for _, one := range m.ready {
		name := one.groupName()
		if h := m.holder(name); name == "" || h < 0 || joins && h == lane {
			may++
		}
	}
	got := m.buffer.take(nil, most, m.now)
	if len(got) != min(most, may) {
		m.t.Fatalf("%d handed out for %d places, %d may be", len(got), most, may)
	}
	for _, one := range got {
		name := one.groupName()
		if h := m.holder(name); name != "" && h >= 0 && (h != lane || !joins) && !slices.Contains(got, m.lanes[h][0]) {
			m.t.Fatalf("a message of group %s, which lane %d holds", name, h)
		}
		first := slices.IndexFunc(m.ready, func(other *Message) bool { return other.groupName() == name })
		if first < 0 || m.ready[first] != one {
			m.t.Fatalf("message %d of group %q is not the next", one.number, name)
		}
		m.ready = slices.Delete(m.ready, first, first+1)
	}
	m.lanes[lane] = append(m.lanes[lane], got...)
}

func (m *bufferModel) finish(lane int) {
	if len(m.lanes[lane]) > 0 {
		m.buffer.finish(m.lanes[lane][0])
		m.lanes[lane] = m.lanes[lane][1:]
	}
}

func (m *bufferModel) release(lane, count int) {
	rest := m.lanes[lane][max(len(m.lanes[lane])-count, 0):]
	m.buffer.putBack(rest)
	m.ready = append(m.ready, rest...)
	slices.SortFunc(m.ready, func(a, b *Message) int { return int(a.number) - int(b.number) })
	m.lanes[lane] = m.lanes[lane][:len(m.lanes[lane])-len(rest)]
}

// lose loses the link. What was in hand holds its groups up until the engine forgets it.
func (m *bufferModel) lose() {
	m.buffer.lose(m.now, m.now.Add(time.Minute))
	for i := range m.lanes {
		for _, one := range m.lanes[i] {
			if one.group != nil && one.group.free(m.now) {
				m.t.Fatal("the group of a message in hand is free")
			}
		}
		for _, one := range m.lanes[i] {
			one.dropped.Store(true)
		}
		m.lanes[i] = nil
	}
	m.ready, m.life = nil, new(life)
}

func (g *group) free(now time.Time) bool { return len(g.out) == 0 && g.settled(now) }

func (m *bufferModel) check() {
	held, bytes := len(m.ready), 0
	for _, one := range m.ready {
		bytes += one.size
	}
	for _, lane := range m.lanes {
		held += len(lane)
		for _, one := range lane {
			bytes += one.size
		}
	}
	if held != m.buffer.held || bytes != m.buffer.bytes || len(m.buffer.messages) != len(m.ready) {
		m.t.Fatalf("%d held with %d bytes, %d buffered; want %d, %d, %d",
			m.buffer.held, m.buffer.bytes, len(m.buffer.messages), held, bytes, len(m.ready))
	}
}

// FuzzBuffer adds, takes, finishes, gives back and loses in any order, and compares with
// what lanes hold.
func FuzzBuffer(f *testing.F) {
	for seed := range byte(24) {
		data := make([]byte, 200)
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := &bufferModel{t: t, buffer: newBuffer(), life: new(life), now: time.Unix(1, 0)}
		for i := 0; i+1 < min(len(steps), 400); i += 2 {
			lane, value := int(steps[i]>>4)%len(m.lanes), int(steps[i+1])
			switch steps[i] % 8 {
			case 0, 1, 2:
				m.add(value % 4)
			case 3:
				m.take(lane, 1+value%5, false)
			case 4:
				m.take(lane, 1+value%5, true)
			case 5:
				m.finish(lane)
			case 6:
				m.release(lane, value%3)
			default:
				if value%16 == 0 {
					m.lose()
				}
			}
			m.check()
		}
		for lane := range m.lanes {
			m.release(lane, len(m.lanes[lane]))
		}
		m.take(0, 1000, false)
		if len(m.ready) > 0 {
			t.Fatalf("%d messages never come", len(m.ready))
		}
	})
}
