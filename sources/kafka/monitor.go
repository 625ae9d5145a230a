package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/openesm/openesm/sources/kafka/access"
)

// monitor tells of brokers that cannot be reached, and of requests that they do not
// answer, of which the client itself tells nobody: it tries again, after a request's
// deadline, which is ten seconds beyond what the broker may take, unless
// Options.ClientOptions say otherwise.
type monitor struct {
	source *Source

	mu     sync.Mutex
	told   map[string]time.Time  // when which operation was told of
	timers map[int16]*time.Timer // of which requests it is told soon that they are not answered
	tls    bool                  // connections begin with TLS
	sasl   bool                  // and go on with SASL
	// served says that brokers assign the partitions: they do from Apache Kafka 4.0 on, and
	// the client goes on with the classic protocol where they do not.
	served bool
	// advice is what the last connection failed of, in case the call that needed it
	// learns only that time ran out.
	advice string
}

// tellAfter is after what time something is told that may take longer and yet end well. So
// a request to join the group waits for other members, who may take their time to give
// partitions back.
const tellAfter = 45 * time.Second

var (
	_ kgo.HookNewClient     = (*monitor)(nil)
	_ kgo.HookBrokerConnect = (*monitor)(nil)
	_ kgo.HookBrokerWrite   = (*monitor)(nil)
	_ kgo.HookBrokerE2E     = (*monitor)(nil)
)

func newMonitor(s *Source) *monitor {
	return &monitor{source: s, told: make(map[string]time.Time), timers: make(map[int16]*time.Timer)}
}

// OnNewClient looks how the client connects.
func (m *monitor) OnNewClient(client *kgo.Client) {
	encryption, _ := client.OptValue(kgo.DialTLSConfig).(*tls.Config)
	mechanisms, _ := client.OptValue(kgo.SASL).([]sasl.Mechanism)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tls, m.sasl = encryption != nil, len(mechanisms) > 0
}

// OnBrokerConnect is told of a broker that was connected to, or was not.
func (m *monitor) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, conn net.Conn, err error) {
	err = m.explain(conn != nil, err)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, kgo.ErrClientClosed):
	case errors.Is(err, os.ErrDeadlineExceeded): // of a request, which is told of below
	default:
		m.tell("Connect", fmt.Errorf("broker %s: %w", addressOf(broker), err))
	}
}

// OnBrokerWrite is told of a request that was written. Only one member joins at a time.
func (m *monitor) OnBrokerWrite(broker kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == kmsg.ConsumerGroupHeartbeat.Int16() {
		m.mu.Lock()
		m.served = true
		m.mu.Unlock()
	}
	if err != nil || !joins(key) {
		return
	}
	m.cancel(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.timers[key] = time.AfterFunc(tellAfter, func() {
		m.source.background(func() {
			m.tell(kmsg.NameForKey(key), fmt.Errorf("broker %s: %w", addressOf(broker), unanswered(tellAfter, context.DeadlineExceeded)))
		})
	})
}

// isServed reports whether brokers assign the partitions.
func (m *monitor) isServed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.served
}

// joins says that a request is one to join the group, which may wait for other members.
func joins(key int16) bool { return key == kmsg.JoinGroup.Int16() || key == kmsg.SyncGroup.Int16() }

// cancel has nothing told of a kind of request any more.
func (m *monitor) cancel(key int16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if timer := m.timers[key]; timer != nil {
		timer.Stop()
		delete(m.timers, key)
	}
}

// OnBrokerE2E is told of a request that was answered, or was not. Whoever commits or
// leaves is told by the call.
func (m *monitor) OnBrokerE2E(broker kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if joins(key) {
		m.cancel(key)
	}
	if !errors.Is(e2e.Err(), os.ErrDeadlineExceeded) || key == kmsg.OffsetCommit.Int16() || key == kmsg.LeaveGroup.Int16() {
		return
	}
	err := unanswered(e2e.DurationE2E(), context.DeadlineExceeded)
	if key == kmsg.ApiVersions.Int16() { // the first request of a connection
		err = m.explain(true, err)
	}
	m.tell(kmsg.NameForKey(key), fmt.Errorf("broker %s: %w", addressOf(broker), err))
}

// explain says of a connection that failed what it may come from, where that is known
// better than the error tells. connected says that the broker was reached and, if it is
// to be, that TLS was agreed on.
func (m *monitor) explain(connected bool, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advice = m.adviceOn(connected, err)
	if m.advice == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, m.advice)
}

// explained adds what the last connection failed of to the error of a call that was
// given up while it waited for one.
func (m *monitor) explained(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.advice == "" || !isHangUp(err) && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w (%s)", err, m.advice)
}

// adviceOn is what a failed connection may come from; "" where the error says it.
func (m *monitor) adviceOn(connected bool, err error) string {
	_, told := errors.AsType[*kgo.ErrFirstReadEOF](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	closed := isHangUp(err)
	late := errors.Is(err, context.DeadlineExceeded)
	switch {
	case told:
		return ""
	case access.Refused(err):
		return access.Advice(err)
	case connected && closed && m.sasl:
		return "the broker hung up while this client authenticated: the user name or the password may be wrong, " +
			"or the mechanism; some brokers say no more"
	case connected && (closed || late) && !m.tls:
		return "the broker's port may be one for TLS: see access.TLS and access.ServerRootCA"
	case !connected && m.tls && (plain || closed || late && !isDialling(err)):
		return "the broker did not answer in TLS: its port may be one for plain text, see access.Plaintext and access.SASLPlaintext"
	default:
		return ""
	}
}

// isHangUp tells that the broker closed the connection.
func isHangUp(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// isDialling tells that not even the broker's host was reached.
func isDialling(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// tell tells of a failure, unless one of this operation was told of a moment ago.
func (m *monitor) tell(operation string, err error) {
	const pause = 5 * time.Second
	m.mu.Lock()
	now := time.Now()
	last, before := m.told[operation]
	due := !before || now.Sub(last) >= pause
	if due {
		m.told[operation] = now
	}
	m.mu.Unlock()
	if due {
		m.source.tell(m.source.failed(operation, err))
	}
}

// addressOf is where a broker is, without what somebody may have put before its name.
func addressOf(b kgo.BrokerMetadata) string {
	host := b.Host[strings.LastIndexByte(b.Host, '@')+1:]
	return net.JoinHostPort(host, strconv.Itoa(int(b.Port)))
}

// within makes a call that ends after the limit.
func within[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	answer, err := call(ctx)
	if errors.Is(err, os.ErrDeadlineExceeded) { // of each of several tries
		return answer, fmt.Errorf("%w: %w", unanswered(time.Since(began), context.DeadlineExceeded), err)
	}
	return answer, timed(limit, err)
}

// timed says how long an answer was waited for, if err is that there was none.
func timed(limit time.Duration, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return unanswered(limit, err)
}

func unanswered(limit time.Duration, err error) error {
	return fmt.Errorf("not answered within %v: %w", limit.Round(time.Millisecond), err)
}
