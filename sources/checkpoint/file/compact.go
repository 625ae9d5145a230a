package file

import (
	"maps"
	"runtime"
	"slices"
)

const (
	// slack is how many bytes a log may have before it is worth a new file.
	slack = 1 << 20

	// wasteFactor is how many times as long as need be a log may become. The cost
	// of a new file spreads over the writes that made the old one so long.
	wasteFactor = 4

	// renamesOpen says that an open file can be renamed, and replaced by a rename.
	renamesOpen = runtime.GOOS != "windows"
)

// wasteful reports whether a log of that length is worth a new file.
func (s *Store) wasteful(end int64) bool {
	return end > s.slack && end > wasteFactor*s.live
}

// tidy has a new file made if the log has become wasteful. Writes go on meanwhile.
// If that fails the old one serves on, and the next try waits until it has doubled.
func (s *Store) tidy() {
	if s.changed != nil || s.log.end < s.tryAt || !s.wasteful(s.log.end) {
		return
	}
	f, content, err := s.snapshot()
	if err != nil {
		s.tryAt = 2 * s.log.end
		return
	}
	s.changed = make(map[string]struct{})
	s.making.Go(func() { s.remake(f, content) })
}

// remake makes the new file and, in a turn of its own, has it take the old one's
// place. Close waits for it.
func (s *Store) remake(f format, content []byte) {
	fresh, err := beside(s.path, f, content, s.create)
	s.turn <- struct{}{}
	old := s.log
	if err == nil {
		err = s.exchange(fresh)
	}
	s.changed, s.tryAt = nil, 0
	if err != nil && s.log != nil {
		s.tryAt = 2 * s.log.end
	}
	s.end()
	if err == nil && old.disk != nil {
		_ = old.disk.Close() // it has no name any more, and may be long
	}
}

// exchange has the new file take the old one's place, with what was written since it
// was begun: the file that it leaves is never older than what was acknowledged.
func (s *Store) exchange(fresh *log) error {
	err := ErrClosed
	if s.log != nil {
		err = s.catchUp(fresh)
	}
	if err == nil {
		err = fresh.replace(s.log, s.renamesOpen)
	}
	if err != nil {
		fresh.drop()
		return err
	}
	s.log = fresh
	return nil
}

// catchUp appends what has changed since the new file was begun.
func (s *Store) catchUp(fresh *log) error {
	var entries []byte
	for _, shard := range slices.Sorted(maps.Keys(s.changed)) {
		start := len(entries)
		entries = openEntry(entries)
		if k := s.leases[shard]; k != nil {
			entries = appendPut(entries, &k.lease)
		} else {
			entries = appendDelete(entries, shard)
		}
		if err := fresh.format.closeEntry(entries[start:]); err != nil {
			return err
		}
	}
	fresh.sync = s.options.Sync
	if _, err := fresh.disk.WriteAt(entries, fresh.end); err != nil {
		return err
	}
	fresh.end += int64(len(entries))
	if fresh.sync && len(entries) > 0 {
		return fresh.disk.Sync()
	}
	return nil
}

// compact makes a new file in the place of the one that is there, if there is one,
// before anything is written.
func (s *Store) compact() error {
	f, content, err := s.snapshot()
	if err != nil {
		return err
	}
	fresh, err := beside(s.path, f, content, s.create)
	if err != nil {
		return err
	}
	fresh.sync = s.options.Sync
	if err := fresh.replace(nil, s.renamesOpen); err != nil {
		fresh.drop()
		return err
	}
	if s.log != nil && s.log.disk != nil {
		_ = s.log.disk.Close() // it has no name any more
	}
	s.log = fresh
	return s.log.ready()
}

// snapshot is the content of a new file.
func (s *Store) snapshot() (f format, content []byte, err error) {
	f = newFormat()
	content = append(make([]byte, 0, s.live), f.line()...)
	for _, shard := range slices.Sorted(maps.Keys(s.leases)) {
		start := len(content)
		content = appendPut(openEntry(content), &s.leases[shard].lease)
		if err := f.closeEntry(content[start:]); err != nil {
			return f, nil, err
		}
	}
	return f, content, nil
}
