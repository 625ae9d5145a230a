package activemq_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// place is a broker, the fake or a real one, for what the adapter takes for granted.
type place struct {
	t      *testing.T
	client activemq.Client
	target activemq.Target
	send   func(messages ...*amqp.Message)
	dead   string // the queue of dead letters
	// others of ActiveMQ Classic that Artemis has otherwise.
	classic bool
}

func fakePlace(t *testing.T) *place {
	t.Helper()
	broker := activemqtest.NewBroker()
	broker.SetLogin("openesm", "secret")
	return &place{
		t: t, client: broker.Client(), target: activemq.Target{Username: "openesm", Password: "secret", Queue: queue},
		send: func(messages ...*amqp.Message) { broker.Send(queue, messages...) }, dead: activemqtest.DeadLetters, classic: true,
	}
}

func (r *realBroker) place(t *testing.T, dead string) *place {
	t.Helper()
	return &place{
		t: t, client: activemq.Dialer(activemq.Options{Dial: new(net.Dialer).DialContext}),
		target: activemq.Target{Address: r.address, Host: "127.0.0.1", Username: "openesm", Password: r.password, Queue: r.queue},
		send:   r.send, dead: dead, classic: dead == activemqtest.DeadLetters,
	}
}

// TestBroker holds the fake to what TestRealBroker shows of real ones.
func TestBroker(t *testing.T) {
	t.Parallel()
	for name, check := range brokerChecks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { check(fakePlace(t)) })
		})
	}
}

func TestRealBroker(t *testing.T) {
	t.Parallel()
	for broker, dead := range map[string]string{"classic": activemqtest.DeadLetters, "artemis": "DLQ"} {
		for name, check := range brokerChecks {
			t.Run(broker+"/"+name, func(t *testing.T) {
				t.Parallel()
				check(newReal(t, broker).place(t, dead))
			})
		}
	}
}

var brokerChecks = map[string]func(p *place){
	"credit":        (*place).credit,
	"close":         (*place).closeCountsNothing,
	"cut":           (*place).cutCounts,
	"reject":        (*place).reject,
	"undeliverable": (*place).undeliverable,
	"twice":         (*place).settleTwice,
	"group":         (*place).group,
	"names":         (*place).names,
	"login":         (*place).login,
	"expired":       (*place).expired,
}

// attach opens a link, over a connection of that name.
func (p *place) attach(name string) activemq.Link {
	p.t.Helper()
	link, err := p.try(name)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = link.Close(ctx)
	})
	return link
}

func (p *place) try(name string) (activemq.Link, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	to := p.target
	to.Container = to.Queue + name
	return p.client.Attach(ctx, to)
}

// get receives so many messages.
func (p *place) get(link activemq.Link, count int) []*amqp.Message {
	p.t.Helper()
	all := p.within(link, count, 20*time.Second)
	if len(all) < count {
		p.t.Fatalf("%d messages came, want %d", len(all), count)
	}
	return all
}

// within receives up to so many messages.
func (p *place) within(link activemq.Link, count int, d time.Duration) []*amqp.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), d)
	defer cancel()
	var all []*amqp.Message
	for len(all) < count {
		buf := make([]*amqp.Message, count-len(all))
		n, err := link.Receive(ctx, buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	return all
}

// none sees that nothing comes.
func (p *place) none(link activemq.Link, why string) {
	p.t.Helper()
	if got := p.within(link, 1, 300*time.Millisecond); len(got) > 0 {
		p.t.Errorf("%v came, %s", shown(got), why)
	}
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// shown are texts, with how many deliveries were counted.
func shown(messages []*amqp.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = fmt.Sprintf("%v(%d)", m.Value, m.Header.DeliveryCount)
	}
	return all
}

func (p *place) equal(what string, got []*amqp.Message, want ...string) {
	p.t.Helper()
	if all := shown(got); !slices.Equal(all, want) {
		p.t.Errorf("%s: %v, want %v", what, all, want)
	}
}

// texts sends some.
func (p *place) texts(bodies ...string) {
	p.t.Helper()
	for _, body := range bodies {
		p.send(activemqtest.Text(body))
	}
}

func (p *place) credit() {
	p.texts("a", "b", "c")
	link := p.attach("1")
	p.none(link, "without credit")
	p.must(link.Credit(1))
	first := p.get(link, 1)
	p.none(link, "with a credit of 1 that is used")
	p.must(link.Credit(5))
	p.equal("the others", p.get(link, 2), "b(0)", "c(0)")
	p.must(link.Settle(p.t.Context(), first, activemq.Accepted))
}

// When a link is closed, others have what was not settled, and no delivery counts.
func (p *place) closeCountsNothing() {
	p.texts("a", "b", "c")
	first, second := p.attach("1"), p.attach("2")
	p.must(first.Credit(3))
	got := p.get(first, 3)
	p.must(first.Settle(p.t.Context(), got[1:2], activemq.Accepted))
	p.must(second.Credit(3))
	p.none(second, "while the first link has it")
	p.must(first.Close(p.t.Context()))
	if err := first.Settle(p.t.Context(), got[:1], activemq.Accepted); err == nil {
		p.t.Error("a message was settled over a link that is closed")
	}
	p.equal("given back", p.get(second, 2), "a(0)", "c(0)")
}

// When a connection is cut, others have what was not settled, and to Classic a delivery
// counts.
func (p *place) cutCounts() {
	p.texts("a")
	first := p.attach("1")
	p.must(first.Credit(1))
	p.get(first, 1)
	ctx, cancel := context.WithCancel(p.t.Context())
	cancel()
	_ = first.Close(ctx)
	second := p.attach("2")
	p.must(second.Credit(1))
	got := p.get(second, 1)
	if p.classic {
		p.equal("again", got, "a(1)")
	} else if got[0].Value != "a" {
		p.t.Error(shown(got))
	}
}

func (p *place) reject() {
	p.texts("poison-" + p.target.Queue)
	link := p.attach("1")
	p.must(link.Credit(5))
	p.must(link.Settle(p.t.Context(), p.get(link, 1), activemq.Rejected))
	p.none(link, "after it was rejected")
	p.buried("poison-" + p.target.Queue)
}

// buried sees that a message is a dead letter.
func (p *place) buried(body string) {
	p.t.Helper()
	dead := *p
	dead.target.Queue = p.dead
	link, err := dead.try(body)
	p.must(err)
	defer func() { _ = link.Close(context.Background()) }()
	p.must(link.Credit(1000))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		for _, m := range p.within(link, 1, time.Second) {
			if m.Value == body {
				return
			}
		}
	}
	p.t.Errorf("%s is no dead letter", body)
}

// What is undeliverable does not come over its link again. Classic takes it for dead.
func (p *place) undeliverable() {
	body := "undeliverable-" + p.target.Queue
	p.texts(body)
	link := p.attach("1")
	p.must(link.Credit(5))
	p.must(link.Settle(p.t.Context(), p.get(link, 1), activemq.Undeliverable))
	p.none(link, "although it is undeliverable here")
	if p.classic {
		p.buried(body)
		return
	}
	other := p.attach("2")
	p.must(other.Credit(1))
	if got := p.get(other, 1); got[0].Value != body {
		p.t.Error(shown(got))
	}
}

func (p *place) settleTwice() {
	p.texts("a", "b")
	link := p.attach("1")
	p.must(link.Credit(2))
	got := p.get(link, 2)
	p.must(link.Settle(p.t.Context(), got[:1], activemq.Accepted))
	p.must(link.Close(p.t.Context()))
	other := p.attach("2")
	p.must(other.Credit(2))
	p.equal("left", p.get(other, 1), "b(0)")
	p.none(other, "although it is settled")
}

// All of a group goes to one link as long as that is open.
func (p *place) group() {
	first, second := p.attach("1"), p.attach("2")
	p.must(first.Credit(100))
	p.must(second.Credit(100))
	const each = 5
	for i := range each {
		for g := range 4 {
			p.send(activemqtest.Grouped(strconv.Itoa(g), fmt.Sprint(g, i)))
		}
	}
	seen := make(map[string]int)
	var all []*amqp.Message
	for n, link := range []activemq.Link{first, second} {
		got := p.within(link, 4*each-len(all), 2*time.Second)
		next := make(map[string]int)
		for _, m := range got {
			g := *m.Properties.GroupID
			if was, known := seen[g]; known && was != n {
				p.t.Errorf("group %s went to two links", g)
			}
			seen[g] = n
			if want := fmt.Sprint(g, " ", next[g]); m.Value != want {
				p.t.Errorf("%v came, want %s", m.Value, want)
			}
			next[g]++
		}
		all = append(all, got...)
	}
	if len(all) != 4*each {
		p.t.Errorf("%d messages came, want %d", len(all), 4*each)
	}
}

// Classic refuses a second connection of a name.
func (p *place) names() {
	p.attach("1")
	link, err := p.try("1")
	if err == nil {
		_ = link.Close(p.t.Context())
	}
	if p.classic && err == nil {
		p.t.Error("two connections have one name")
	}
}

func (p *place) login() {
	p.target.Password = "wrong"
	_, err := p.try("1")
	if err == nil || err.Error() != "SASL PLAIN auth failed with code 0x1: " {
		p.t.Errorf("error %v", err)
	}
}

// What expires is not delivered.
func (p *place) expired() {
	short := activemqtest.Text("short")
	short.Header.TTL = 200 * time.Millisecond
	p.send(short)
	time.Sleep(500 * time.Millisecond)
	p.texts("long")
	link := p.attach("1")
	p.must(link.Credit(5))
	p.equal("what is left", p.get(link, 1), "long(0)")
	p.none(link, "although it expired")
}
