package export

import (
	"errors"

	"hansard/internal/filter"
	"hansard/internal/store"
	"hansard/internal/wire"
)

// filterFields are the fields of channels that a filter may ask for (contract
// section 11).
var filterFields = map[string]filter.Kind{
	"cid": filter.String, "id": filter.String, "type": filter.String, "team": filter.String,
	"created_at": filter.Time, "updated_at": filter.Time, "last_message_at": filter.Time,
	"created_by_id": filter.String, "members": filter.Set, "frozen": filter.Bool, "disabled": filter.Bool,
}

// channelFilter says which channels to export.
type channelFilter struct{ *filter.Filter }

// parseFilter reads the filter of a request. Its errors are *wire.Error.
func parseFilter(raw []byte) (*channelFilter, error) {
	f, err := filter.Parse(raw, filterFields)
	if err != nil {
		return nil, wire.BadField("filter", "%s", err)
	}
	return &channelFilter{f}, nil
}

func (f *channelFilter) match(r store.Reader, row *store.ChannelRow) (bool, error) {
	c := &row.Channel
	return f.Match(func(field string) (filter.Value, error) {
		switch field {
		case "cid":
			return filter.StringValue(c.CID()), nil
		case "id":
			return filter.StringValue(c.ID), nil
		case "type":
			return filter.StringValue(c.Type), nil
		case "team":
			return filter.StringValue(c.Team), nil
		case "created_at":
			return filter.TimeValue(c.CreatedAt), nil
		case "updated_at":
			return filter.TimeValue(c.UpdatedAt), nil
		case "last_message_at":
			return filter.TimeValue(c.LastMessageAt), nil
		case "created_by_id":
			return filter.StringValue(c.CreatedBy), nil
		case "frozen":
			return filter.BoolValue(c.Frozen), nil
		case "disabled":
			return filter.BoolValue(c.Disabled), nil
		}
		return filter.SetValue(row.MemberCount, func(id string) (bool, error) { return isMember(r, row.Key, id) }), nil
	})
}

func isMember(r store.Reader, channel int64, id string) (bool, error) {
	user, err := r.UserKey(id)
	if err == nil {
		_, err = r.Member(channel, user)
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
