package file

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked from [Open]: another store, in this process or another one, is
	// open on the file. Wait until it is closed, or give this process a file of
	// its own.
	ErrLocked = errors.New("file of leases is in use")

	// ErrDamaged from [Open]: the file is no file of leases, is of a version that
	// is not known, or an entry is damaged that others follow. The file is left
	// as it is. Restore it, cut it at the offset named, or remove it, which has
	// every shard begin where the configuration says.
	ErrDamaged = errors.New("file of leases cannot be read")

	// ErrClosed from every method of a store after Close.
	ErrClosed = errors.New("store of leases is closed")
)

// damaged is ErrDamaged with what was found, and where.
func damaged(path string, offset int, format string, args ...any) error {
	return fmt.Errorf("%w: %s: offset %d: %s", ErrDamaged, path, offset, fmt.Sprintf(format, args...))
}
