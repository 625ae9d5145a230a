package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// renamesOpen says that an open file can be renamed, and replaced by a rename.
const renamesOpen = runtime.GOOS != "windows"

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
	disk   disk
	path   string
	format format
	end    int64 // of the last entry that was acknowledged
	sync   bool

	unsettled bool // the rename that made the file may not be on the disk
}

// append writes an entry in one piece, or leaves the log as it was.
func (l *log) append(entry []byte) error {
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
	return errors.Join(l.flush(), l.disk.Close())
}

// replace makes a file with this content in the place of path, if there is one,
// and returns it as the log. If it fails, path is as it was.
func replace(path string, f format, content []byte, create func(path string, flag int) (disk, error)) (*log, error) {
	fresh := path + ".new"
	d, err := create(fresh, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	_, err = d.WriteAt(content, 0)
	if err == nil {
		err = d.Sync()
	}
	if !renamesOpen {
		err = errors.Join(err, d.Close())
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = d.Close()
		_ = os.Remove(fresh) // Open does it too
		return nil, err
	}
	if !renamesOpen {
		d, err = create(path, 0)
		if err != nil {
			return nil, err
		}
	}
	return &log{disk: d, path: path, format: f, end: int64(len(content)), unsettled: true}, nil
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
