package kafka_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

// listen answers connections until the test ends.
func listen(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answers.Go(func() {
				answer(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		answers.Wait()
	})
	return l.Addr().String()
}

// silent takes all and says nothing.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// rude hangs up.
func rude(conn net.Conn) { _, _ = io.ReadFull(conn, make([]byte, 5)) }

// What is set up wrongly is told at once, with what to do about it; what no later try
// can mend ends the mapping.
func TestSetUpErrorsSayWhatToDo_KAF18(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(nil)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(web.Close)
	guarded := newWorld(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "root", "password")).servers[0]
	authority := strings.TrimPrefix(web.URL, "https://")
	for name, c := range map[string]struct {
		server   string
		access   []access.Config
		want     string
		unusable bool
		slow     bool
	}{
		"unknown authority":     {authority, []access.Config{access.TLS()}, "ServerRootCA", true, false},
		"another name":          {strings.Replace(authority, "127.0.0.1", "localhost", 1), []access.Config{access.ServerRootCA(certificateOf(web))}, "other names", true, false},
		"TLS to a plain port":   {listen(t, silent), []access.Config{access.TLS()}, "may be one for plain text", false, true},
		"TLS is hung up on":     {listen(t, rude), []access.Config{access.TLS()}, "may be one for plain text", false, false},
		"TLS to another server": {strings.TrimPrefix(plainServer(t), "http://"), []access.Config{access.TLS()}, "may be one for plain text", false, false},
		"plain text to TLS":     {listen(t, rude), nil, "may be one for TLS", false, false},
		"plain text, no answer": {listen(t, silent), nil, "may be one for TLS", false, true},
		"wrong password":        {guarded, []access.Config{access.BasicAuth("root", "wrong"), access.SASLPlaintext()}, "password may be wrong", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			told := make(chan error, 100)
			options := kafka.Options{
				BootstrapServers: []string{c.server}, Topics: []string{"orders"}, ConsumerGroupID: "g", Access: c.access,
			}
			if c.slow { // instead of ten seconds
				options.ClientOptions = []kgo.Opt{kgo.DialTimeout(500 * time.Millisecond), kgo.RequestTimeoutOverhead(500 * time.Millisecond)}
			}
			source, err := kafka.New(options)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			ended := make(chan error, 1)
			go func() { ended <- source.Start(ctx, sources.Settings{Report: func(err error) { told <- err }}) }()
			select {
			case err = <-told:
			case err = <-ended:
				ended <- err
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || time.Since(began) > 20*time.Second {
				t.Errorf("told after %v: %v; want %q", time.Since(began), err, c.want)
			}
			if !c.unusable {
				cancel()
			}
			err = <-ended
			if c.unusable && (!errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "Read and Describe")) {
				t.Errorf("ended with %v; want %q", err, c.want)
			}
		})
	}
}

// A broker that hangs up on a wrong password says no more; the error of Start says what
// it may mean.
func TestStartSaysWhatAHangUpMayMean(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "root", "password"))
	options := w.options("g")
	options.Access = []access.Config{access.BasicAuth("root", "wrong"), access.SASLPlaintext()}
	source, err := kafka.New(options)
	if err != nil {
		t.Fatal(err)
	}
	err = source.Start(t.Context(), sources.Settings{})
	if err == nil || errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "the password may be wrong") {
		t.Errorf("Start: %v", err)
	}
}

func certificateOf(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

func plainServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	return server.URL
}
