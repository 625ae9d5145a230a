package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/openesm/openesm/sources/internal/broker"
)

func TestBasicAuthSecret_MQ04(t *testing.T) {
	t.Parallel()
	for secret, wrong := range map[string]string{
		`{"username":"u","password":"hidden"}`:            "",
		`{"username":"u","password":"hidden","engine":1}`: "",
		`{"username":"u"}`:                                "password is missing",
		`{"username":"","password":"hidden"}`:             "username is missing",
		`{"username":"u","password":17}`:                  "members username and password are strings",
		`hidden`:                                          "JSON object",
		strings.Repeat(" ", 70_000):                       "70000 bytes",
	} {
		login, err := broker.BasicAuthSecret(func(context.Context) ([]byte, error) { return []byte(secret), nil })(t.Context())
		switch {
		case wrong == "" && (err != nil || login != broker.Login{Username: "u", Password: "hidden"}):
			t.Errorf("%s: %v", secret, err)
		case wrong != "" && (!errors.Is(err, broker.ErrSecret) || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "hidden")):
			t.Errorf("%s: error %v, want one of %q", secret, err, wrong)
		}
	}
}

func TestLoginShowsNoPassword_P13(t *testing.T) {
	t.Parallel()
	login, _ := broker.BasicAuth("u", "hidden")(t.Context())
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "login", login)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "login", login)
	if all := fmt.Sprintf("%v %+v %#v %s", login, login, login, login) + log.String(); strings.Contains(all, "hidden") || !strings.Contains(all, "user u") {
		t.Error(all)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	schemes := map[string]broker.Scheme{"amqp": {Port: 5672}, "amqps": {TLS: true, Port: 5671}}
	for text, want := range map[string]string{
		"amqps://b-1.mq.eu-west-1.amazonaws.com:5671": "b-1.mq.eu-west-1.amazonaws.com:5671 true",
		"amqps://b-1.mq.eu-west-1.amazonaws.com/":     "b-1.mq.eu-west-1.amazonaws.com:5671 true",
		"amqp://[::1]:1234":                           "[::1]:1234 false",
		"amqp://user:hidden@host":                     "has a login in it, which belongs into Access",
		"http://host":                                 "host has a scheme that is not known",
		"amqp://host/vhost":                           "is not of the form scheme://host:port",
		"amqp://":                                     "is not of the form scheme://host:port",
		"amqp://user:hidden@ho st":                    "is no URL of the form scheme://host:port",
	} {
		e, err := broker.ParseEndpoint(text, schemes)
		got := fmt.Sprint(e, e.TLS)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestFailoverGoesRound_MQ22(t *testing.T) {
	t.Parallel()
	f := broker.NewFailover([]broker.Endpoint{{Address: "a"}, {Address: "b"}})
	for i, want := range []string{"a", "b", "a", "b"} {
		if got := f.Endpoint().Address; got != want {
			t.Errorf("after %d failures: %s, want %s", i, got, want)
		}
		f.Failed()
	}
}
