package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// leases is the bucket of the leases, by the IDs of their shards.
	leases = "leases"

	// mode is of files that are made.
	mode fs.FileMode = 0o600

	// formerStart begins a file of releases that kept their leases in a log.
	formerStart = "openesm checkpoint "
)

// Open opens the store in the file at path, and makes it if there is none; its
// folder must exist. The caller closes the store. Symbolic links are followed.
// The errors to react to are [ErrLocked] and [ErrDamaged].
func Open(path string, options Options) (*Store, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("file of leases %s: %w", path, err)
	}
	if err := prepare(path); err != nil {
		return nil, err
	}
	s := newStore(path)
	err = s.guard(func() error {
		if s.db, err = bbolt.Open(path, mode, &bbolt.Options{Timeout: options.Wait}); err != nil {
			return err
		}
		return s.inspect()
	})
	if err == nil {
		err = syncFolder(path)
	}
	if err != nil {
		return nil, errors.Join(opening(path, err), s.closeFile())
	}
	go s.run()
	return s, nil
}

// opening is the error of Open.
func opening(path string, err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: %s", ErrLocked, path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	default:
		return fmt.Errorf("file of leases %s: %w", path, err)
	}
}

// inspect makes sure that the file is one of leases, and that each can be read.
func (s *Store) inspect() error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(leases)) != nil {
			return errUnchanged
		}
		if name, _ := tx.Cursor().First(); name != nil {
			return fmt.Errorf("%w: it is a database of something else, with the bucket %q", ErrDamaged, name)
		}
		_, err := tx.CreateBucket([]byte(leases))
		return err
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return err
	}
	_, err = s.read()
	return err
}

// prepare refuses a file of a former release, and makes a file that is not there, whole
// or not at all: one that a full disk cut short could not be opened any more.
func prepare(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return create(path)
	}
	if err != nil {
		return fmt.Errorf("file of leases: %w", err)
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, len(formerStart))
	if n, err := io.ReadFull(f, start); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		if bytes.HasPrefix([]byte(formerStart), start[:n]) && n > 0 {
			return fmt.Errorf("%w: %s: it is the log of a former release, which this one does not read; "+
				"move it away, which has every shard begin where the configuration says", ErrDamaged, path)
		}
	}
	return nil
}

// create makes the file under another name. Where that cannot be given the right one,
// or somebody else was first, it is made, or opened, as it is.
func create(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return fmt.Errorf("file of leases %s not made: %w", path, err)
	}
	fresh := f.Name()
	defer func() { _ = os.Remove(fresh) }()
	err = f.Close()
	if err == nil {
		var db *bbolt.DB
		if db, err = bbolt.Open(fresh, mode, nil); err == nil {
			err = db.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("file of leases %s not made: %w", path, err)
	}
	_ = os.Link(fresh, path)
	return nil
}

// syncFolder waits until the names in the file's folder are on the disk.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened there
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = folder.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil // the file system knows no such thing
	}
	return errors.Join(err, folder.Close())
}
