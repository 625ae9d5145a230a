package awscall

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	legalName = regexp.MustCompile(`^[0-9A-Za-z_-]+(\.fifo)?$`)
	legalARN  = regexp.MustCompile(`^arn:([^:]+):sqs:([^:]+):([0-9]{12}):([0-9A-Za-z_.-]+)$`)
)

// FuzzQueue reads anything as a queue and compares with regular expressions.
func FuzzQueue(f *testing.F) {
	for _, given := range []string{
		"", "orders", "orders.fifo", ".fifo", ".fifo.fifo", strings.Repeat("a", 81), "a b", "é", "arn:", "arn:::::",
		"arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:sqs:eu-west-1:123456789012:orders:", "arn:aws:sns:eu-west-1:1:o.fifo",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "http://[::1]:4566/000000000000/orders.fifo/",
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/a", "://", "http://%zz/a", "x://y/%2f/q", "https://sqs.sqs.amazonaws.com.api.aws//q",
	} {
		f.Add(given)
	}
	f.Fuzz(func(t *testing.T, given string) {
		q, err := ParseQueue(given)
		if want := legalQueue(given); (err == nil) != want {
			t.Fatalf("%q: %+v, %v; want it accepted: %t", given, q, err, want)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "queue: ") {
				t.Fatalf("%q: %v", given, err)
			}
			return
		}
		if q.FIFO != strings.HasSuffix(q.Name, ".fifo") || !legalName.MatchString(q.Name) || len(q.Name) > 80 {
			t.Fatalf("%q: %+v", given, q)
		}
		checkARN(t, given, q)
	})
}

// legalQueue tells whether a queue may be named so.
func legalQueue(given string) bool {
	name := given
	switch parts := legalARN.FindStringSubmatch(given); {
	case strings.HasPrefix(given, "arn:"):
		if parts == nil {
			return false
		}
		name = parts[4]
	case strings.Contains(given, "://"):
		u, err := url.Parse(given)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return false
		}
		path := strings.TrimRight(u.Path, "/")
		name = path[strings.LastIndex(path, "/")+1:]
	}
	return len(name) <= 80 && legalName.MatchString(name)
}

// checkARN looks that a known ARN means the same queue, and that its URL does.
func checkARN(t *testing.T, given string, q Queue) {
	t.Helper()
	if q.ARN == "" {
		if q.AWSURL() != "" {
			t.Fatalf("%q: URL %q of no ARN", given, q.AWSURL())
		}
		return
	}
	same, err := ParseQueue(q.ARN)
	if err != nil || same.ARN != q.ARN || same.Region != q.Region || same.Account != q.Account || same.Name != q.Name {
		t.Fatalf("%q: ARN %q means %+v, %v", given, q.ARN, same, err)
	}
	if strings.Trim(q.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || q.Region == "sqs" || q.Region == "sqs-fips" {
		return // no region of AWS: it makes no host name
	}
	again, err := ParseQueue(q.AWSURL())
	if err != nil || again.Name != q.Name || again.Account != q.Account || again.Region != q.Region {
		t.Fatalf("%q: URL %q means %+v, %v", given, q.AWSURL(), again, err)
	}
}

// FuzzQueueSecret gives URLs with secrets in them, which no error may repeat
// (P13).
func FuzzQueueSecret(f *testing.F) {
	f.Add("https", "user", "sqs.eu-west-1.amazonaws.com", "/123456789012/orders", "x")
	f.Add("ftp", "", "%zz", "//", "")
	f.Add("http", "u", "[::1", "/\x7f", "#")
	f.Fuzz(func(t *testing.T, scheme, user, host, path, query string) {
		const hush = "hush-hush"
		given := scheme + "://" + user + ":" + hush + "@" + host + path + "?" + query + "=" + hush
		if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" || strings.ContainsAny(user+host, "/?#") {
			return // no URL
		}
		_, err := ParseQueue(given)
		if err == nil || strings.Contains(err.Error(), hush) {
			t.Errorf("%q: %v", given, err)
		}
	})
}
