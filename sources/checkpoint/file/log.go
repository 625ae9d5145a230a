package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// disk is an open file.
type disk interface {
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// openDisk opens a file for writing.
func openDisk(path string, flag int) (disk, error) {
	return os.OpenFile(path, os.O_RDWR|flag, 0o600)
}

// log is the file that writes are appended to. It is used by one goroutine at a
// time.
type log struct {
	disk   disk // nil if it must be opened
	path   string
	open   opener
	format format
	end    int64 // of the last entry that was acknowledged
	sync   bool

	unsettled bool // the rename that made the file may not be on the disk
}

// opener opens files for writing: openDisk, but for tests.
type opener = func(path string, flag int) (disk, error)

// append writes an entry in one piece, or leaves the log as it was.
func (l *log) append(entry []byte) error {
	if err := l.ready(); err != nil {
		return err
	}
	_, err := l.disk.WriteAt(entry, l.end)
	if err == nil && l.sync {
		err = l.flush()
	}
	if err != nil {
		// Should this fail too, the next entry is written over what is there, and
		// Open cuts it off.
		_ = l.disk.Truncate(l.end)
		return err
	}
	l.end += int64(len(entry))
	return nil
}

// flush waits until everything is on the disk.
func (l *log) flush() error {
	if err := l.disk.Sync(); err != nil {
		return err
	}
	if l.unsettled {
		if err := syncFolder(l.path); err != nil {
			return err
		}
		l.unsettled = false
	}
	return nil
}

// close has everything on the disk and closes the file.
func (l *log) close() error {
	if err := l.ready(); err != nil {
		return err
	}
	return errors.Join(l.flush(), l.disk.Close())
}

// ready opens the file if it is not open.
func (l *log) ready() error {
	if l.disk != nil {
		return nil
	}
	d, err := l.open(l.path, 0)
	if err == nil {
		l.disk = d
	}
	return err
}

// newName is the name of a new file until it takes path's place.
func newName(path string) string { return path + ".new" }

// beside makes a file with this content, on the disk, which may take the place of
// path later.
func beside(path string, f format, content []byte, open opener) (*log, error) {
	d, err := open(newName(path), os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	l := &log{disk: d, path: path, open: open, format: f, end: int64(len(content)), unsettled: true}
	if _, err = d.WriteAt(content, 0); err == nil {
		err = d.Sync()
	}
	if err != nil {
		l.drop()
		return nil, err
	}
	return l, nil
}

// drop removes a file that is not to take another's place after all.
func (l *log) drop() {
	if l.disk != nil {
		_ = l.disk.Close()
	}
	_ = os.Remove(newName(l.path)) // Open does it too
}

// replace has l take the place of old, which may be nil. If it fails old is as it
// was. Where open files cannot be renamed both are closed before, and opened again
// when need be.
func (l *log) replace(old *log, renamesOpen bool) error {
	if !renamesOpen {
		err := l.disk.Close()
		l.disk = nil
		if err != nil {
			return err
		}
		if old != nil && old.disk != nil {
			_ = old.disk.Close() // what was acknowledged was written; a failed sync was told of
			old.disk = nil
		}
	}
	return os.Rename(newName(l.path), l.path)
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
