// Package sources is the contract between a source adapter and the mapping
// engine (package esm).
//
// A [Source] hands out [Partition] values as a listener hands out connections. A queue
// has one unordered partition; a stream or topic has many ordered ones, which
// come and go. A partition has one verb in, Fetch, and one verb out, Ack. All
// the rest — batching, windows, filters, retries, concurrency, on-failure
// destinations, shutdown — belongs to the engine, so an adapter only speaks to
// its service.
//
// # Who does what
//
//   - The engine retries. An adapter makes one attempt a call and returns the
//     raw error; the engine waits (back-off, jitter) and calls again. The
//     client library's own retries are turned off, so that delays are counted
//     once.
//   - Every call that an adapter makes has a deadline of its own, some seconds
//     longer than the service may take. A call that never returns costs that much
//     and no more: it fails, and the next one is made.
//   - The adapter never loses a record to cancellation. A record that the
//     service handed over is returned by Fetch, or given back by Close, or
//     left to the service to hand out again.
//   - Every record that Fetch returned ends in one of four ways: Ack (done),
//     [Failer] (its batch failed; of sources that redeliver), [Rejecter] (given up; of
//     those that do not, and have a place for it), or [Releaser] (never started, or
//     expired). A source without the latter three gets no call, and the
//     record is simply not acked.
//
// # Abilities
//
// What only some services can do is an interface of one method, found once by
// [Ability], that is by type assertion through wrappers: on the Source [Starter],
// [EventAppender], [Identifier], [Filterer] and [Meter], on the Partition
// [Releaser], [Failer], [Rejecter], [Holder], [Joiner], [Extender], [Stopper], [Revocable], [BatchDescriber],
// [RecordDescriber] and [WindowKeeper], whose two methods make no sense apart.
//
// # Errors
//
// Errors are raw, but for the sentinels of this package, each with one
// reaction: [ErrEnd], [ErrLost], [ErrUnusable], and the type [AckError].
//
// Package sourcetest holds the rules of this contract as a test suite, package
// memory is the reference adapter.
package sources
