// Package plainhttp is the HTTP client of tests against emulators of AWS, which
// the SDK's own one does not get along with.
package plainhttp

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
)

// Transport makes each call on a connection of its own and reads the answer to
// its end before it returns. An emulator loses a kept connection now and then,
// and a quick answer may find its connection closed by our own side before it was
// read: "use of closed network connection" with status 200, as in aws-sdk-go-v2
// issue 2737. Repeating such a call would not do, for it took effect.
//
// It speaks plain HTTP only, and is ready to be used by many goroutines.
type Transport struct{}

// RoundTrip implements [http.RoundTripper].
func (Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", request.URL.Host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	response, err := exchange(conn, request)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return response, err
}

func exchange(conn net.Conn, request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Close = true
	err := request.Write(conn)
	if err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, response.Body.Close()
}
