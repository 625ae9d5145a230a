// Package file is a store of leases in one file, for a process that keeps its
// positions on its own disk.
//
//	store, err := file.Open("orders.positions", file.Options{})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// The file is a database of go.etcd.io/bbolt: its bucket "leases" has a lease as a
// JSON document under the ID of each shard.
//
// # One process
//
// The store is [checkpoint.Exclusive]: while it is open no other one can be opened
// on the same file, by this process or another one on the same machine. [Open] waits
// for [Options.Wait] and fails with [ErrLocked]. The lock is an advisory lock of the
// operating system on the file, which goes away with the process, kill -9 included.
// Network file systems may grant it twice: use package dynamodb where processes share
// a stream.
//
// # What survives
//
// A write that was acknowledged is on the disk (fsync), and survives kill -9 and the
// loss of power. One that fails, for want of space say, leaves the leases as they were
// or took effect, as with every store, and the store usable: it works on when there is
// room again.
//
// # Cost
//
// Writes that come while the disk is at work are written together, so that any number
// of shards share an fsync. The file grows to a few times what the leases need,
// and not further.
package file
