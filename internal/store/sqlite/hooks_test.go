package sqlite

// ShortLog lets the write-ahead log be taken for long, and for full, from other
// sizes on. It must be called before anything is written.
func ShortLog(s *Store, long, full int64) { s.log.maxSize, s.log.fullSize = long, full }
