package awscall

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

// Queue is what its name alone tells of an SQS queue.
type Queue struct {
	// Name of the queue.
	Name string
	// Partition of AWS, Region, Account and ARN are "" if they are not known.
	Partition, Region, Account, ARN string
	// URL is "" if it must be asked for.
	URL string
	// FIFO tells that it is a FIFO queue.
	FIFO bool
}

// ParseQueue reads an ARN, a URL or a plain name. The error names everything
// that is wrong with it.
func ParseQueue(given string) (Queue, error) {
	var (
		q   Queue
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
		q.Name, err = given, checkName(given)
	}
	q.FIFO = strings.HasSuffix(q.Name, fifoSuffix)
	return q, err
}

func parseARN(given string) (Queue, error) {
	parts := strings.Split(given, ":")
	if len(parts) != arnParts {
		return Queue{}, fmt.Errorf("queue: ARN %q has %d parts; want %d, arn:PARTITION:sqs:REGION:ACCOUNT:NAME",
			given, len(parts), arnParts)
	}
	q := Queue{Partition: parts[1], Region: parts[3], Account: parts[4], Name: parts[5], ARN: given}
	var errs []error
	if parts[1] == "" {
		errs = append(errs, fmt.Errorf("queue: ARN %q names no partition", given))
	}
	if parts[2] != "sqs" {
		errs = append(errs, fmt.Errorf("queue: ARN %q is of service %q; want \"sqs\"", given, parts[2]))
	}
	if q.Region == "" {
		errs = append(errs, fmt.Errorf("queue: ARN %q names no region", given))
	}
	if !isAccount(q.Account) {
		errs = append(errs, fmt.Errorf("queue: account %q of ARN is not %d digits", q.Account, accountLength))
	}
	return q, errors.Join(append(errs, checkName(q.Name))...)
}

func parseURL(given string) (Queue, error) {
	u, err := url.Parse(given)
	if err != nil {
		// The parser's error repeats the URL, which may hold a password.
		return Queue{}, errors.New("queue: URL cannot be parsed")
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
	q := Queue{URL: strings.TrimRight(given, "/")}
	path := strings.Split(strings.Trim(u.Path, "/"), "/")
	q.Name = path[len(path)-1]
	if len(path) > 1 && isAccount(path[len(path)-2]) {
		q.Account = path[len(path)-2]
	}
	q.Region = regionOf(u.Hostname())
	if q.Region != "" && q.Account != "" {
		q.Partition = partitionOf(q.Region).name
		q.ARN = "arn:" + q.Partition + ":sqs:" + q.Region + ":" + q.Account + ":" + q.Name
	}
	return q, errors.Join(append(errs, checkName(q.Name))...)
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

// AWSURL is the queue's URL as AWS forms it; "" if the ARN is not known.
func (q *Queue) AWSURL() string {
	if q.ARN == "" {
		return ""
	}
	domain := partitionOf(q.Region).domain
	for _, p := range awsPartitions() {
		if p.name == q.Partition && p.name != "aws" {
			domain = p.domain // of a region that this package does not know
		}
	}
	return "https://sqs." + q.Region + "." + domain + "/" + q.Account + "/" + q.Name
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
