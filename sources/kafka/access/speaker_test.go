package access_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// speaker is a broker that knows nothing but how to authenticate, since the embedded
// one does not know all mechanisms.
type speaker struct {
	address   []string
	mechanism string
	answer    func(message []byte) (answer []byte, code int16)
	lifetime  int64 // of a session, in milliseconds

	mu       sync.Mutex
	messages []string
}

// speak listens until the test ends, over plain text if config is nil.
func speak(t *testing.T, config *tls.Config, s *speaker) *speaker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = []string{listener.Addr().String()}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer connection.Close()
				s.serve(connection)
			})
		}
	})

	// The client closes its connections first: it was made later.
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})
	return s
}

// heard are the messages of all sessions.
func (s *speaker) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

func (s *speaker) serve(connection net.Conn) {
	for {
		size := make([]byte, 4)
		if _, err := io.ReadFull(connection, size); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(connection, frame); err != nil {
			return
		}
		request := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
		request.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
		header := 10 + int(binary.BigEndian.Uint16(frame[8:])) // size, and the client's name
		if request.IsFlexible() {
			header++ // no tags
		}
		if request.ReadFrom(frame[header:]) != nil {
			return
		}
		response := s.respond(request)
		if response == nil {
			return
		}
		response.SetVersion(request.GetVersion())
		answer := append(make([]byte, 4), frame[4:8]...)
		if _, versions := response.(*kmsg.ApiVersionsResponse); response.IsFlexible() && !versions {
			answer = append(answer, 0) // no tags
		}
		answer = response.AppendTo(answer)
		binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
		if _, err := connection.Write(answer); err != nil {
			return
		}
	}
}

func (s *speaker) respond(request kmsg.Request) kmsg.Response {
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		response := request.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key, version := range map[kmsg.Key]int16{kmsg.ApiVersions: 4, kmsg.SASLHandshake: 1, kmsg.SASLAuthenticate: 2, kmsg.Metadata: 12} {
			response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: int16(key), MaxVersion: version})
		}
		return response
	case *kmsg.SASLHandshakeRequest:
		response := request.ResponseKind().(*kmsg.SASLHandshakeResponse)
		if request.Mechanism != s.mechanism {
			response.ErrorCode = 33 // UNSUPPORTED_SASL_MECHANISM
		}
		return response
	case *kmsg.SASLAuthenticateRequest:
		s.mu.Lock()
		s.messages = append(s.messages, string(request.SASLAuthBytes))
		s.mu.Unlock()
		response := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.SASLAuthBytes, response.ErrorCode = s.answer(request.SASLAuthBytes)
		response.SessionLifetimeMillis = s.lifetime
		return response
	case *kmsg.MetadataRequest:
		return request.ResponseKind()
	default:
		return nil
	}
}
