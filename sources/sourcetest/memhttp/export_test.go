package memhttp

import "net/http"

// TransportOf returns what is below the client's transport.
func TransportOf(s *Server) *http.Transport {
	t, _ := s.client.Transport.(transport)
	return t.Transport
}
