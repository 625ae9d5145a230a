package file

import "errors"

var (
	// ErrLocked from [Open]: another store, in this process or another one, is
	// open on the file. Wait until it is closed, or give this process a file of
	// its own.
	ErrLocked = errors.New("file of leases is in use")

	// ErrDamaged: the file is no file of leases, is of a version that is not known,
	// or cannot be read. [Open] leaves it as it is. Restore it, or remove it, which
	// has every shard begin where the configuration says.
	ErrDamaged = errors.New("file of leases cannot be read")

	// ErrClosed from every method of a store after Close.
	ErrClosed = errors.New("store of leases is closed")
)
