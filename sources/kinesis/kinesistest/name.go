package kinesistest

import "strings"

// name says which stream, or which consumer of it, is meant.
type name struct {
	region, account, stream string
	consumer                string // with its creation time, "" for the stream
}

func (n name) arn() string {
	arn := "arn:aws:kinesis:" + n.region + ":" + n.account + ":stream/" + n.stream
	if n.consumer != "" {
		arn += "/consumer/" + n.consumer
	}
	return arn
}

// streamARN is the ARN of the stream, also for a consumer.
func (n name) streamARN() string {
	n.consumer = ""
	return n.arn()
}

// parseARN reads the ARN of a stream or a consumer.
func parseARN(arn string) (name, bool) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "kinesis" {
		return name{}, false
	}
	n := name{region: part[3], account: part[4]}
	resource := strings.Split(part[5], "/")
	switch {
	case resource[0] != "stream":
		return name{}, false
	case len(resource) == 4 && resource[2] == "consumer" && resource[3] != "":
		n.consumer = resource[3]
	case len(resource) != 2:
		return name{}, false
	}
	n.stream = resource[1]
	return n, legalName(n.stream) && n.arn() == "arn:aws:kinesis:"+strings.Join(part[3:], ":")
}

// legalName says whether a stream or consumer may have the name.
func legalName(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return text != "" && len(text) <= 128
}
