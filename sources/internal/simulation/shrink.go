package simulation

import (
	"maps"
	"slices"
	"time"

	"github.com/openesm/openesm/esm"
)

// shrink returns the simplest scenario it finds that still fails. Each step
// takes something away; what does not matter stays away.
func shrink(scenario Scenario, fails func(Scenario) bool) Scenario {
	const most = 300
	tries := 0
	for simpler := true; simpler; {
		simpler = false
		for _, candidate := range simplifications(scenario) {
			if tries++; tries > most {
				return scenario
			}
			if fails(candidate) {
				scenario, simpler = candidate, true
				break
			}
		}
	}
	return scenario
}

// simplifications are scenarios that lack one thing that s has.
func simplifications(s Scenario) []Scenario {
	var all []Scenario
	without := func(present bool, remove func(*Scenario)) {
		if !present {
			return
		}
		c := s
		c.Faults, c.Behaviors = maps.Clone(s.Faults), maps.Clone(s.Behaviors)
		remove(&c)
		all = append(all, c)
	}
	for _, f := range slices.Sorted(maps.Keys(s.Faults)) {
		without(true, func(c *Scenario) { delete(c.Faults, f) })
	}
	for _, m := range slices.Sorted(maps.Keys(s.Behaviors)) {
		without(true, func(c *Scenario) { delete(c.Behaviors, m) })
	}
	without(s.Kills > 0, func(c *Scenario) { c.Kills = 0 })
	without(s.Stops > 0, func(c *Scenario) { c.Stops = 0 })
	without(s.Disturbances > 0, func(c *Scenario) { c.Disturbances = 0 })
	without(s.Revocations > 0, func(c *Scenario) { c.Revocations = 0 })
	without(s.Named, func(c *Scenario) { c.Named = false })
	without(s.Ahead, func(c *Scenario) { c.Ahead = false })
	without(s.Long, func(c *Scenario) { c.Long = false })
	without(s.Busy > 0, func(c *Scenario) { c.Busy = 0 })
	without(s.Settles > 0, func(c *Scenario) { c.Settles = 0 })
	without(s.Stuck > 0, func(c *Scenario) { c.Stuck = 0; delete(c.Behaviors, behaviorStuck) })
	without(s.Hanging > 0, func(c *Scenario) { c.Hanging-- })
	without(s.Jitter != "", func(c *Scenario) { c.Jitter = "" })
	without(s.Throttles, func(c *Scenario) { c.Throttles = false })
	without(s.Polls, func(c *Scenario) { c.Polls = false })
	without(s.Poison > 0, func(c *Scenario) { c.Poison = 0 })
	without(s.Reject > 0, func(c *Scenario) { c.Reject = 0 })
	without(s.Redrive > 0, func(c *Scenario) { c.Redrive = 0 })
	without(s.Records > 1, func(c *Scenario) { c.Records /= 2 })
	without(s.Records > 1, func(c *Scenario) { c.Records-- })
	without(s.Keys > 1, func(c *Scenario) { c.Keys = 1 })
	without(s.Members > 1, func(c *Scenario) { c.Members-- })
	without(s.Partitions > 1, func(c *Scenario) { c.Partitions = 1 })
	without(s.Size > 0, func(c *Scenario) { c.Size = 0 })
	without(s.Spread > 0, func(c *Scenario) { c.Spread = 0 })
	without(s.Slowest > 0, func(c *Scenario) { c.Slowest = 0 })
	without(s.AckBatch > 1, func(c *Scenario) { c.AckBatch = 1 })
	without(s.AckLinger > 0, func(c *Scenario) { c.AckLinger = 0 })
	without(s.Scaling != nil, func(c *Scenario) { c.Scaling = nil })
	without(s.Bytes, func(c *Scenario) { c.Bytes = false })
	without(s.Destination, func(c *Scenario) { c.Destination, c.Config.OnFailureTimeout = false, 0 })
	for _, plain := range plainConfigs(s.Config) {
		without(true, func(c *Scenario) { c.Config = plain })
	}
	return all
}

// plainConfigs are configurations with one field less.
func plainConfigs(config esm.Config) []esm.Config {
	var all []esm.Config
	without := func(present bool, remove func(*esm.Config)) {
		if present {
			c := config
			remove(&c)
			all = append(all, c)
		}
	}
	without(config.BatchSize > 0, func(c *esm.Config) { c.BatchSize = 0 })
	without(config.MaximumBatchingWindow != 0, func(c *esm.Config) { c.MaximumBatchingWindow = 0 })
	without(config.MaximumBatchBytes > 0, func(c *esm.Config) { c.MaximumBatchBytes = 0 })
	without(config.ReportBatchItemFailures, func(c *esm.Config) { c.ReportBatchItemFailures = false })
	without(config.MaximumConcurrency > 0, func(c *esm.Config) { c.MaximumConcurrency = 0 })
	without(config.ParallelizationFactor > 0, func(c *esm.Config) { c.ParallelizationFactor = 0 })
	without(config.MaximumRetryAttempts != nil, func(c *esm.Config) { c.MaximumRetryAttempts = nil })
	without(config.MaximumRecordAge != 0, func(c *esm.Config) { c.MaximumRecordAge = 0 })
	without(config.BisectBatchOnFunctionError, func(c *esm.Config) { c.BisectBatchOnFunctionError = false })
	without(config.OnFailureTimeout > 0, func(c *esm.Config) { c.OnFailureTimeout = 0 })
	without(config.Timeout > time.Second, func(c *esm.Config) { c.Timeout = time.Second })
	without(config.DrainTimeout != 0, func(c *esm.Config) { c.DrainTimeout = 0 })
	without(config.MaximumBufferedBytes > 0, func(c *esm.Config) { c.MaximumBufferedBytes = 0 })
	return all
}
