package sqlite

// DeleteMembers removes all members and read states of a channel.
func (t *tx) DeleteMembers(channel int64) error {
	c, err := t.channelByKey(channel)
	if err != nil {
		return err
	}
	if err := t.conn.Exec(`DELETE FROM members WHERE app = $1 AND channel = $2`, t.app, channel); err != nil {
		return err
	}
	if n := t.conn.Changes(); n > 0 {
		c.members, c.dirty = c.members-n, true
	}
	return t.conn.Exec(`DELETE FROM reads WHERE app = $1 AND channel = $2`, t.app, channel)
}
