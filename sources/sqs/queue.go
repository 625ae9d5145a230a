package sqs

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	fifoSuffix    = ".fifo"
	maxNameLength = 80
	accountLength = 12
	arnParts      = 6
)

// queue is what its name alone tells of a queue.
type queue struct {
	name      string
	partition string // of AWS; "" if not known
	region    string // "" if not known
	account   string // "" if not known
	arn       string // "" if not known
	url       string // "" if it must be asked for
	fifo      bool
}

// parseQueue reads an ARN, a URL or a plain name. The error names everything
// that is wrong with it.
func parseQueue(given string) (queue, error) {
	var (
		q   queue
		err error
	)

	switch {
	case given == "":
		return q, errors.New("queue: is empty; want an ARN, a URL or a name")
	case strings.HasPrefix(given, "arn:"):
		q, err = parseARN(given)
	case strings.Contains(given, "://"):
		q, err = parseURL(given)
	default:
		q.name, err = given, checkName(given)
	}

	q.fifo = strings.HasSuffix(q.name, fifoSuffix)

	return q, err
}

func parseARN(given string) (queue, error) {
	parts := strings.Split(given, ":")
	if len(parts) != arnParts {
		return queue{}, fmt.Errorf("queue: ARN %q has %d parts; want %d, arn:PARTITION:sqs:REGION:ACCOUNT:NAME",
			given, len(parts), arnParts)
	}

	q := queue{partition: parts[1], region: parts[3], account: parts[4], name: parts[5], arn: given}

	var errs []error
	if parts[1] == "" {
		errs = append(errs, fmt.Errorf("queue: ARN %q names no partition", given))
	}

	if parts[2] != "sqs" {
		errs = append(errs, fmt.Errorf("queue: ARN %q is of service %q; want \"sqs\"", given, parts[2]))
	}

	if q.region == "" {
		errs = append(errs, fmt.Errorf("queue: ARN %q names no region", given))
	}

	if !isAccount(q.account) {
		errs = append(errs, fmt.Errorf("queue: account %q of ARN is not %d digits", q.account, accountLength))
	}

	return q, errors.Join(append(errs, checkName(q.name))...)
}

func parseURL(given string) (queue, error) {
	u, err := url.Parse(given)
	if err != nil {
		// The parser's error repeats the URL, which may hold a password.
		return queue{}, errors.New("queue: URL cannot be parsed")
	}

	var errs []error
	if u.Scheme != "https" && u.Scheme != "http" {
		errs = append(errs, fmt.Errorf("queue: scheme %q of URL is neither \"https\" nor \"http\"", u.Scheme))
	}

	if u.Host == "" {
		errs = append(errs, errors.New("queue: URL names no host"))
	}

	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("queue: URL has a user, a query or a fragment; want none"))
	}

	q := queue{url: strings.TrimRight(given, "/")}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	q.name = path[len(path)-1]

	if len(path) > 1 && isAccount(path[len(path)-2]) {
		q.account = path[len(path)-2]
	}

	q.region = regionOf(u.Hostname())
	if q.region != "" && q.account != "" {
		q.partition = partitionOf(q.region).name
		q.arn = "arn:" + q.partition + ":sqs:" + q.region + ":" + q.account + ":" + q.name
	}

	return q, errors.Join(append(errs, checkName(q.name))...)
}

// awsPartition is a part of AWS with names of its own.
type awsPartition struct {
	name   string
	prefix string // of its regions
	domain string // of its hosts
	dual   string // of its hosts that know IPv6 too; "" for none
}

func awsPartitions() []awsPartition {
	return []awsPartition{
		{"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		{"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
		{"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
		{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
		{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
		{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
		{"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
		{"aws", "", "amazonaws.com", "api.aws"},
	}
}

// partitionOf is the part of AWS that a region is in.
func partitionOf(region string) awsPartition {
	all := awsPartitions()
	i := slices.IndexFunc(all, func(p awsPartition) bool { return strings.HasPrefix(region, p.prefix) })
	return all[i] // the last takes any
}

// regionOf reads the region from the host names that AWS gives out; "" for
// others, such as an emulator's.
func regionOf(host string) string {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		if label != "sqs" && label != "sqs-fips" || i+2 >= len(labels) {
			continue
		}
		domain := strings.TrimPrefix(strings.Join(labels[i+2:], "."), "vpce.")
		if slices.ContainsFunc(awsPartitions(), func(p awsPartition) bool { return domain == p.domain || domain == p.dual }) {
			return labels[i+1]
		}
	}
	return ""
}

// awsURL is the queue's URL as AWS forms it; "" if the ARN is not known.
func (q *queue) awsURL() string {
	if q.arn == "" {
		return ""
	}
	domain := partitionOf(q.region).domain
	for _, p := range awsPartitions() {
		if p.name == q.partition && p.name != "aws" {
			domain = p.domain // of a region that this package does not know
		}
	}
	return "https://sqs." + q.region + "." + domain + "/" + q.account + "/" + q.name
}

func checkName(name string) error {
	base := strings.TrimSuffix(name, fifoSuffix)
	bad := strings.IndexFunc(base, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	})

	var errs []error
	if base == "" {
		errs = append(errs, fmt.Errorf("queue: name %q is empty", name))
	}

	if len(name) > maxNameLength {
		errs = append(errs, fmt.Errorf("queue: name is %d characters long; at most %d", len(name), maxNameLength))
	}

	if bad >= 0 {
		errs = append(errs, fmt.Errorf("queue: name %q has a character other than letters, digits, - and _", name))
	}

	return errors.Join(errs...)
}

func isAccount(s string) bool {
	return len(s) == accountLength && strings.Trim(s, "0123456789") == ""
}
