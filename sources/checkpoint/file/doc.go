// Package file is a store of leases in one file, for a process that keeps its
// positions on its own disk.
//
//	store, err := file.Open("orders.positions", file.Options{})
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// # One process
//
// The store is [checkpoint.Exclusive]: while it is open no other one can be
// opened on the same file, by this process or another one on the same machine;
// the attempt fails at once with [ErrLocked]. The lock is an advisory lock of the
// operating system on a second file, named as the first one with ".lock" at its
// end: flock on Unix, fcntl on Solaris and AIX, LockFileEx on Windows. It goes
// away with the process, kill -9 included; the lock file itself stays, and must
// not be removed while a store is open. Network file systems may grant the lock
// twice: use package dynamodb where processes share a stream.
//
// # What survives
//
// A write that was acknowledged survives the end of the process, kill -9
// included. Without [Options.Sync] the last seconds of writes may be lost if the
// machine itself goes down, which has records handled again, but none lost. A
// write that fails, for want of space say, leaves the leases as they were, and the
// store usable.
//
// # Format
//
// The file is a log: a line with the format's version, then entries with
// checksums, one a write, each the whole lease. When it has at least 1 MiB, and is
// four times as long as it need be, a new file is written beside it, named as the
// first one with ".new" at its end, and takes its place by rename. That is done
// while the store is in use: writes go on meanwhile, and are in the new file too. If
// it fails, for want of space say, the old file serves on, and the next attempt waits
// until that has doubled. On Windows an open file cannot be replaced, so there it is
// closed for the rename and opened again.
//
// What stands behind the last whole entry is cut off when the file is opened: a
// write that was under way when the process or the machine ended. Damage with
// whole entries behind it is [ErrDamaged], and its text names the offset. Nothing
// is changed then. Who would rather repeat records than have the file restored
// cuts it there (truncate -s OFFSET FILE), which gives the leases as they were
// when that much was written.
//
// # Cost
//
// An update is one write system call, and one fsync more with Options.Sync.
// Writes stand in line. While a new file is made they wait for two things: a copy of
// all leases in memory at its beginning, and at its end the writing of those that have
// changed since, and the rename, with an fsync between them with Options.Sync. The
// fsync of the whole is not waited for, but a file system may have a write or a rename
// wait for it all the same: 10 to 25 ms were seen on a busy ext4 disk with up to
// 10,000 leases, once 120 ms, and up to 0.8 s with windows of 100 MB in all. All leases are held
// in memory, and twice while a new file is made.
package file
