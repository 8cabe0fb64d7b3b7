package sqlite

// ShortLog lets the write-ahead log be taken for long, and for full, from other
// sizes on.
func ShortLog(s *Store, long, full int64) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.maxSize, s.log.fullSize = long, full
}
