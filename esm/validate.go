package esm

import (
	"fmt"
	"strings"
	"time"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/sources"
)

// Violation is one thing wrong with a configuration.
type Violation struct {
	// Field is the name of the Config field, or of the parameter of New.
	Field string
	// Value is what it was set to.
	Value string
	// Bound is what it should have been.
	Bound string
}

// ConfigError is returned by New and names every violation at once. The
// reaction is to correct the configuration.
type ConfigError struct {
	Violations []Violation
}

// Error lists the violations: field, value, bound.
func (e *ConfigError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = fmt.Sprintf("%s is %s: %s", v.Field, v.Value, v.Bound)
	}
	return "esm: invalid configuration: " + strings.Join(texts, "; ")
}

// checkLoop refuses a destination that feeds the source.
func (c Config) checkLoop(to *checker, source sources.Source) {
	feeder, ok := destinationAbility[Feeder](c.OnFailure)
	to.require(!ok || !feeder.Feeds(source), "OnFailure", fmt.Sprintf("a %T that feeds the source", c.OnFailure),
		"must be one that the source does not read: what fails would go round for ever")
}

// checker gathers violations.
type checker struct {
	violations []Violation
}

func (c *checker) require(ok bool, field string, value any, bound string, args ...any) {
	if !ok {
		c.violations = append(c.violations, Violation{field, fmt.Sprint(value), fmt.Sprintf(bound, args...)})
	}
}

func (c *checker) err() error {
	if len(c.violations) == 0 {
		return nil
	}
	return &ConfigError{Violations: c.violations}
}

// between requires lowest <= value <= highest.
func between[T int | time.Duration](c *checker, field string, value, lowest, highest T) {
	c.require(value >= lowest && value <= highest, field, value, "must be between %v and %v", lowest, highest)
}

// notTiny requires that value is not of nanoseconds that were meant to be seconds.
func notTiny(c *checker, field string, value time.Duration) {
	c.require(value <= 0 || value >= shortest, field, value,
		"must not be below %v; a bare number is of nanoseconds, as in 30*time.Second", shortest)
}

// check adds every violation of c, whose defaults are filled in.
func (c Config) check(to *checker, traits sources.Traits) {
	to.require(isName(c.UUID), "UUID", fmt.Sprintf("%.64q", c.UUID), "must be 1 to 128 letters, digits, -, _ and ., not dots alone")
	c.checkBatch(to, traits)
	c.checkTimes(to, traits)
	c.checkProvisioned(to, traits.Provisioned)
	if traits.Ordered {
		c.checkOrdered(to, traits)
	} else {
		c.checkUnordered(to, traits)
	}
}

// isName reports whether a text can be part of an object's key as it is.
func isName(text string) bool {
	const longest = 128
	odd := strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_' && r != '.'
	})
	return odd < 0 && len(text) <= longest && strings.Trim(text, ".") != ""
}

func (c Config) checkBatch(to *checker, traits sources.Traits) {
	between(to, "BatchSize", c.BatchSize, 1, traits.BatchSize.Max)
	to.require(traits.UnwindowedBatchSize == 0 || c.BatchSize <= traits.UnwindowedBatchSize || c.MaximumBatchingWindow > 0,
		"MaximumBatchingWindow", c.MaximumBatchingWindow,
		"must be greater than 0 if BatchSize (%d) is greater than %d", c.BatchSize, traits.UnwindowedBatchSize)
	if traits.Window.Max == 0 {
		to.require(c.MaximumBatchingWindow == 0, "MaximumBatchingWindow", c.MaximumBatchingWindow,
			"must be 0, a batching window is not supported for this source")
	} else {
		between(to, "MaximumBatchingWindow", c.MaximumBatchingWindow, 0, traits.Window.Max)
		notTiny(to, "MaximumBatchingWindow", c.MaximumBatchingWindow)
	}
	to.require(c.MaximumBufferedBytes > 0, "MaximumBufferedBytes", c.MaximumBufferedBytes, "must be greater than 0")
	between(to, "MaximumBatchBytes", c.MaximumBatchBytes, c.overhead(traits)+1, batch.MaxEventBytes)
}

func (c Config) checkTimes(to *checker, traits sources.Traits) {
	if c.Timeout > 0 && c.Timeout < shortest {
		notTiny(to, "Timeout", c.Timeout)
	} else {
		between(to, "Timeout", c.Timeout, shortest, traits.MaxTimeout)
	}
	to.require(c.DrainTimeout >= 0, "DrainTimeout", c.DrainTimeout, "must be greater than 0, 0 for the default, or NoDrainTimeout")
	to.require(c.RetryBackoff.Initial >= 0 && c.RetryBackoff.Max >= c.RetryBackoff.Initial, "RetryBackoff",
		fmt.Sprintf("{%v %v}", c.RetryBackoff.Initial, c.RetryBackoff.Max), "must have 0 <= Initial <= Max")
}

func (c Config) checkOrdered(to *checker, traits sources.Traits) {
	between(to, "ParallelizationFactor", c.ParallelizationFactor, 1, 10)
	age := c.MaximumRecordAge
	to.require(age == -1 || age >= time.Minute && age <= 7*24*time.Hour, "MaximumRecordAge", age,
		"must be 0 or NoLimit, or between %v and %v", time.Minute, 7*24*time.Hour)
	to.require(c.TumblingWindow >= 0 && c.TumblingWindow <= traits.TumblingWindow && c.TumblingWindow%time.Second == 0, "TumblingWindow",
		c.TumblingWindow, "must be whole seconds between %v and %v", time.Duration(0), traits.TumblingWindow)
	to.require(c.TumblingWindow == 0 || c.ParallelizationFactor <= 1, "TumblingWindow", c.TumblingWindow,
		"must be 0 if ParallelizationFactor (%d) is greater than 1", c.ParallelizationFactor)
	c.checkGivingUp(to)
	to.require(c.MaximumConcurrency == 0, "MaximumConcurrency", c.MaximumConcurrency,
		"must be 0, ordered sources scale by ParallelizationFactor")
}

// checkGivingUp is about sources of which the mapping itself gives records up.
func (c Config) checkGivingUp(to *checker) {
	between(to, "MaximumRetryAttempts", *c.MaximumRetryAttempts, -1, 10_000)
	to.require(c.OnFailureTimeout >= 0, "OnFailureTimeout", c.OnFailureTimeout, "must not be negative; 0 or NoLimit is no bound")
	notTiny(to, "OnFailureTimeout", c.OnFailureTimeout)
	to.require(c.OnFailure == nil || !hollow(c.OnFailure), "OnFailure", fmt.Sprintf("a %T that is nil or wraps nil", c.OnFailure),
		"must be a destination, or nil for none")
	to.require(c.OnFailureTimeout <= 0 || c.OnFailure != nil, "OnFailureTimeout", c.OnFailureTimeout, "must be 0 without OnFailure")
}

func (c Config) checkUnordered(to *checker, traits sources.Traits) {
	const ordered = "must not be set, it belongs to ordered sources (SQS-50: use the queue's redrive policy)"
	between(to, "MaximumConcurrency", c.MaximumConcurrency, 0, 1000)
	to.require(c.ParallelizationFactor == 1, "ParallelizationFactor", c.ParallelizationFactor, ordered)
	to.require(c.MaximumRecordAge == -1, "MaximumRecordAge", c.MaximumRecordAge, ordered)
	to.require(c.TumblingWindow == 0, "TumblingWindow", c.TumblingWindow, "must be 0, it belongs to ordered sources")
	to.require(!c.BisectBatchOnFunctionError, "BisectBatchOnFunctionError", c.BisectBatchOnFunctionError, ordered)
	if !traits.Redelivers {
		c.checkGivingUp(to)
		to.require(*c.MaximumRetryAttempts < 0 || c.OnFailure != nil || traits.Rejects, "MaximumRetryAttempts", *c.MaximumRetryAttempts,
			"must not be set without OnFailure, for the source has no place for dead letters, or does not know of it")
		return
	}
	to.require(*c.MaximumRetryAttempts == -1, "MaximumRetryAttempts", *c.MaximumRetryAttempts, ordered)
	to.require(c.OnFailure == nil, "OnFailure", "set", ordered)
	to.require(c.OnFailureTimeout == 0, "OnFailureTimeout", c.OnFailureTimeout, ordered)
}

func (c Config) checkProvisioned(to *checker, bounds sources.Provisioned) {
	const (
		field   = "ProvisionedPollerConfig"
		minimum = field + ".MinimumPollers"
		maximum = field + ".MaximumPollers"
	)
	p := c.ProvisionedPollerConfig
	switch {
	case p == nil:
		return
	case bounds == (sources.Provisioned{}):
		to.require(false, field, "set", "must be nil, provisioned mode is not supported for this source")
		return
	case *p == (ProvisionedPollerConfig{}):
		to.require(false, field, "empty", "must have MinimumPollers or MaximumPollers, or be nil for no provisioned mode")
	default:
		lowest, highest := bounds.MinimumPollers.Default, bounds.MinimumPollers.Max
		between(to, minimum, p.MinimumPollers, lowest, highest)
		between(to, maximum, p.MaximumPollers, lowest, bounds.MaximumPollers.Max)
		// Values out of their own ranges are not held against each other.
		to.require(p.MaximumPollers < lowest || p.MaximumPollers >= min(p.MinimumPollers, highest), maximum, p.MaximumPollers,
			"must not be less than MinimumPollers (%d)", p.MinimumPollers)
	}
	to.require(c.MaximumConcurrency == 0, "MaximumConcurrency", c.MaximumConcurrency, "must be 0, %s excludes it", field)
}
