package sqstest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// settings are the attributes of a queue that can be set.
type settings struct {
	raw        map[string]string // as they were given, or their defaults
	visibility time.Duration
	delay      time.Duration
	retention  time.Duration
	wait       time.Duration
	maxSize    int // bytes
	fifo       bool
	byContent  bool // ContentBasedDeduplication
	byGroup    bool // DeduplicationScope is messageGroup
	redrive    redrive
}

// redrive is a redrive policy; the zero value is none.
type redrive struct {
	target      string // ARN of the dead-letter queue
	maxReceives int
}

// bound is the range of a numeric attribute.
type bound struct{ low, high int }

// bounds returns the ranges of the numeric attributes.
func bounds() map[string]bound {
	return map[string]bound{
		"VisibilityTimeout":             {0, 43_200},
		"DelaySeconds":                  {0, 900},
		"MessageRetentionPeriod":        {60, 1_209_600},
		"ReceiveMessageWaitTimeSeconds": {0, 20},
		"MaximumMessageSize":            {1_024, 1_048_576},
		"KmsDataKeyReusePeriodSeconds":  {60, 86_400},
	}
}

// isOther says whether an attribute is kept and means nothing here.
func isOther(name string) bool {
	switch name {
	case "Policy", "KmsMasterKeyId", "RedriveAllowPolicy",

		"SqsManagedSseEnabled", "FifoThroughputLimit":
		return true
	default:
		return false
	}
}

// defaultSettings are the attributes of a queue made without any.
func defaultSettings() settings {
	set := settings{raw: make(map[string]string)}
	for name, value := range map[string]int{
		"VisibilityTimeout":             30,
		"DelaySeconds":                  0,
		"MessageRetentionPeriod":        345_600,
		"ReceiveMessageWaitTimeSeconds": 0,
		"MaximumMessageSize":            1_048_576,
	} {
		set.setNumber(name, value)
	}
	return set
}

// with returns the settings changed by attributes.
func (set *settings) with(attributes map[string]string) (settings, error) {
	changed := *set
	changed.raw = maps.Clone(set.raw)
	for name, value := range attributes {
		if err := changed.set(name, value); err != nil {
			return settings{}, err
		}
	}
	return changed, changed.check()
}

// check holds the attributes of FIFO queues to the kind of the queue and to each other.
func (set *settings) check() error {
	for _, name := range []string{"ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"} {
		if _, given := set.raw[name]; given && !set.fifo {
			return unknownAttribute(name)
		}
	}
	if set.raw["FifoThroughputLimit"] == "perMessageGroupId" && !set.byGroup {
		return invalidValue("FifoThroughputLimit")
	}
	return nil
}

// choices returns the attributes that have few values.
func choices() map[string][]string {
	return map[string][]string{
		"FifoQueue":                 {"true"},
		"ContentBasedDeduplication": {"true", "false"},
		"SqsManagedSseEnabled":      {"true", "false"},
		"DeduplicationScope":        {"messageGroup", "queue"},
		"FifoThroughputLimit":       {"perQueue", "perMessageGroupId"},
	}
}

func (set *settings) set(name, value string) error {
	if bound, ok := bounds()[name]; ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < bound.low || n > bound.high {
			return invalidValue(name)
		}
		set.setNumber(name, n)
		return nil
	}
	if few, ok := choices()[name]; ok && !slices.Contains(few, value) {
		if name == "FifoQueue" && value == "false" {
			return unknownAttribute(name) // as SQS says of it
		}
		return invalidValue(name)
	}
	switch name {
	case "RedrivePolicy":
		return set.setRedrive(value)
	case "FifoQueue":
		set.fifo = value == "true"
	case "ContentBasedDeduplication":
		set.byContent = value == "true"
	case "DeduplicationScope":
		set.byGroup = value == "messageGroup"
	default:
		if !isOther(name) {
			return unknownAttribute(name)
		}
	}
	set.raw[name] = value
	return nil
}

func (set *settings) setNumber(name string, n int) {
	set.raw[name] = strconv.Itoa(n)
	seconds := time.Duration(n) * time.Second
	switch name {
	case "VisibilityTimeout":
		set.visibility = seconds
	case "DelaySeconds":
		set.delay = seconds
	case "MessageRetentionPeriod":
		set.retention = seconds
	case "ReceiveMessageWaitTimeSeconds":
		set.wait = seconds
	case "MaximumMessageSize":
		set.maxSize = n
	}
}

// setRedrive reads a redrive policy; an empty one is none.
func (set *settings) setRedrive(value string) error {
	if value == "" {
		set.redrive = redrive{}
		delete(set.raw, "RedrivePolicy")
		return nil
	}
	var policy struct {
		Target      string      `json:"deadLetterTargetArn"`
		MaxReceives json.Number `json:"maxReceiveCount"` // a number or a string
	}
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return invalidValue("RedrivePolicy")
	}
	n, err := policy.MaxReceives.Int64()
	_, isARN := parseARN(policy.Target)
	if err != nil || n < 1 || n > 1000 || !isARN {
		return invalidValue("RedrivePolicy")
	}
	set.redrive = redrive{target: policy.Target, maxReceives: int(n)}
	set.raw["RedrivePolicy"] = value
	return nil
}

func unknownAttribute(name string) error {
	return sqsError("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute "+name+".")
}

func invalidValue(name string) error {
	return sqsError("InvalidAttributeValue", "InvalidAttributeValue",
		"Invalid value for the parameter "+name+".")
}
