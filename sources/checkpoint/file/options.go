package file

// Options are the settings of a store. The zero value is right for most.
type Options struct {
	// Sync has every write wait until it is on the disk (fsync), so that it
	// survives the loss of power too. It makes a write as slow as the disk, often
	// milliseconds, and writes of all shards stand in line for it. Default false.
	Sync bool
}
