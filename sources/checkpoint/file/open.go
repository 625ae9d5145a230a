package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Open opens the store in the file at path, and makes it if there is none; its
// folder must exist. The caller closes the store. Symbolic links are followed.
// The errors to react to are [ErrLocked] and [ErrDamaged].
func Open(path string, options Options) (*Store, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	lock := flock.New(path + ".lock")
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock of %s: %w", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("%w: %s", ErrLocked, path)
	}
	s := newStore(path, lock, options)
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// resolve follows symbolic links: the lock belongs to the file and not to its
// names, and a link is not to be replaced by a file.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(folder, filepath.Base(path)), err
}

// load reads the file, and makes it if there is none.
func (s *Store) load() error {
	if err := os.Remove(newName(s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := os.ReadFile(s.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, begun, err := parseLine(s.path, data)
	if err != nil {
		return err
	}
	if !begun {
		return s.compact()
	}
	end, err := f.scan(s.path, data, s.apply)
	if err != nil {
		return err
	}
	if s.wasteful(int64(end)) {
		return s.compact()
	}
	return s.resume(f, int64(end), end < len(data))
}

// resume goes on with the file as it is, but for a torn end.
func (s *Store) resume(f format, end int64, torn bool) error {
	d, err := s.create(s.path, 0)
	if err != nil {
		return err
	}
	if torn {
		if err := d.Truncate(end); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	s.log = &log{disk: d, path: s.path, open: s.create, format: f, end: end, sync: s.options.Sync}
	return nil
}
