// Package lease decides which shards of a stream this worker reads, on top of a
// [checkpoint.Store] that all workers share. The adapters of sharded streams
// use it.
//
// A [Manager] does four things, each in a goroutine of its own:
//
//   - It lists the stream's shards, gives new ones a lease, and deletes leases
//     that nobody needs any more (sync.go has the rules).
//   - It takes leases that are ready and free, and evens out who has how many
//     (take.go has the rules).
//   - It renews what it holds, and tells in time what it could not renew.
//   - Next hands the taken ones out as [Held], which the adapter reads, commits,
//     and ends or releases.
//
// # Ownership
//
// Every write is conditional, and its Counter is one above the last: two owners
// cannot both commit. Besides, a worker gives up a lease that it could not renew
// before others may take it: its validity counts from before the write was sent,
// theirs from after it was read, and it stops a tenth of the time earlier. No
// clocks are compared, but all workers of a stream must have the same Duration.
//
// A write that failed may have taken effect. The next write of that lease tells:
// if it is refused, the leases are read again, and one that is as the lost
// answer would have said is this worker's still.
//
// Durations are measured by the monotonic clock. It may stand still while a
// machine is suspended; then only the conditional writes protect.
//
// A worker that has too few leases asks another one for one of its, which hands it over
// when its reader has finished (handover.go). With a [checkpoint.Paced] store positions
// wait for the next write of their lease (pace.go).
//
// With a [checkpoint.Exclusive] store all leases are this worker's: they are
// taken at once, and neither renewed nor shared out.
package lease
