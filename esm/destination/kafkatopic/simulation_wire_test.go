//go:build synctests

package kafkatopic_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var errCut = errors.New("simulation: connection reset")

// fate is what becomes of a request to produce.
type fate int

const (
	fine       fate = iota
	cutBefore       // the broker never sees it
	cutAfter        // it is written, and the connection breaks before the answer
	hungBefore      // the broker never sees it, and nobody answers
	hungAfter       // it is written, and nobody answers
	late            // the answer is late
)

func (f fate) String() string {
	return [...]string{"fine", "cut before", "cut after", "hung before", "hung after", "late"}[f]
}

// wire is a connection of the client to a broker.
type wire struct {
	net.Conn

	world *world
	mu    sync.Mutex
	fate  fate // of what is under way
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := w.network.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, world: w}, nil
}

// fate draws what becomes of a request.
func (w *world) fate() fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	roll := w.random.Float64()
	if time.Since(w.calmAt) >= 0 {
		return fine
	}
	for f := cutBefore; f <= late; f++ {
		if roll -= w.rates[f]; roll < 0 {
			w.reached[f.String()]++
			if f != late { // what was written before on the same connection gets no answer either
				w.lost++
			}
			return f
		}
	}
	return fine
}

// Write sends a request: the client writes each at once.
func (w *wire) Write(b []byte) (int, error) {
	if kmsg.Key(binary.BigEndian.Uint16(b[4:])) != kmsg.Produce {
		return w.Conn.Write(b)
	}
	f := w.world.fate()
	if f != fine {
		w.mu.Lock()
		w.fate = f
		w.mu.Unlock()
	}
	switch f {
	case cutBefore:
		_ = w.Conn.Close()
		return 0, errCut
	case hungBefore:
		return len(b), nil
	default:
		return w.Conn.Write(b)
	}
}

// Read gets answers.
func (w *wire) Read(b []byte) (int, error) {
	for {
		n, err := w.Conn.Read(b)
		w.mu.Lock()
		f := w.fate
		w.mu.Unlock()
		switch {
		case err != nil || f == fine:
			return n, err
		case f == late:
			w.mu.Lock()
			w.fate = fine
			w.mu.Unlock()
			time.Sleep(w.world.draw(50*time.Millisecond, time.Second, 5*time.Second))
			return n, nil
		case f == cutAfter:
			_ = w.Conn.Close()
			return 0, errCut
		}
	}
}
