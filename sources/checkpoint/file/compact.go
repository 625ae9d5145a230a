package file

import (
	"maps"
	"slices"
)

const (
	// slack is how many bytes a log may have before it is worth a new file.
	slack = 1 << 20

	// wasteFactor is how many times as long as need be a log may become. The cost
	// of a new file spreads over the writes that made the old one so long.
	wasteFactor = 4
)

// wasteful reports whether a log of that length is worth a new file.
func (s *Store) wasteful(end int64) bool {
	return end > s.slack && end > wasteFactor*s.live
}

// tidy makes a new file if the log has become wasteful. If that fails the old
// one serves on, and the next try waits until it has doubled.
func (s *Store) tidy() {
	if !renamesOpen || s.log.end < s.tryAt || !s.wasteful(s.log.end) {
		return
	}
	if err := s.compact(); err != nil {
		s.tryAt = 2 * s.log.end
		return
	}
	s.tryAt = 0
}

// compact writes the leases to a new file, which takes the old one's place. The
// file it leaves is never older than what was acknowledged.
func (s *Store) compact() error {
	f := newFormat()
	content := f.line()
	for _, shard := range slices.Sorted(maps.Keys(s.leases)) {
		start := len(content)
		content = appendPut(openEntry(content), &s.leases[shard].lease)
		if err := f.closeEntry(content[start:]); err != nil {
			return err
		}
	}
	fresh, err := replace(s.path, f, content, s.create)
	if err != nil {
		return err
	}
	if s.log != nil {
		_ = s.log.disk.Close() // it has no name any more
	}
	fresh.sync = s.options.Sync
	s.log = fresh
	if s.options.Sync {
		_ = fresh.flush() // the next write does it if it fails here
	}
	return nil
}
