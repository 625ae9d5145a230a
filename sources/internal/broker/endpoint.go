package broker

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
)

// Endpoint is where a broker listens.
type Endpoint struct {
	// Address is host:port.
	Address string
	// Host is that without the port, which a certificate names.
	Host string
	// TLS says whether to speak TLS.
	TLS bool
}

// String is the address, which holds no secret.
func (e Endpoint) String() string { return e.Address }

// Scheme is how an endpoint of one scheme is reached.
type Scheme struct {
	TLS  bool
	Port int // where none is named
}

// ParseEndpoint reads an endpoint in the form scheme://host:port. A login in it is
// refused, and not repeated in the error, which has nothing of the text in it that may be
// a secret (P13).
func ParseEndpoint(text string, schemes map[string]Scheme) (Endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Endpoint{}, errors.New("is no URL of the form scheme://host:port")
	}
	scheme, known := schemes[u.Scheme]
	switch {
	case u.User != nil:
		return Endpoint{}, errors.New("has a login in it, which belongs into Access")
	case !known:
		return Endpoint{}, fmt.Errorf("%s has a scheme that is not known", u.Host)
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return Endpoint{}, errors.New("is not of the form scheme://host:port")
	}
	port := u.Port()
	if port == "" {
		port = strconv.Itoa(scheme.Port)
	}
	return Endpoint{Address: net.JoinHostPort(u.Hostname(), port), Host: u.Hostname(), TLS: scheme.TLS}, nil
}

// Failover goes round the endpoints of one broker: active and standby, or the nodes of a
// cluster (MQ-22). The next one is tried whenever one has failed. It may be used
// concurrently.
type Failover struct {
	endpoints []Endpoint
	next      atomic.Uint32
}

// NewFailover goes round at least one endpoint.
func NewFailover(endpoints []Endpoint) *Failover { return &Failover{endpoints: endpoints} }

// Len is how many endpoints there are.
func (f *Failover) Len() int { return len(f.endpoints) }

// Endpoint is the one to connect to now.
func (f *Failover) Endpoint() Endpoint {
	return f.endpoints[int(f.next.Load())%len(f.endpoints)]
}

// Failed says that the one could not be connected to.
func (f *Failover) Failed() { f.next.Add(1) }
