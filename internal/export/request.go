package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hansard/internal/chat"
	"hansard/internal/wire"

	"filippo.io/age"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what one request may ask for; zero means no limit.
type Limits struct {
	Channels     int
	Users        int
	UserMessages int // of one user in a users export
}

// ChannelsRequest is the body of POST /export_channels, checked, and what a
// task keeps of it.
type ChannelsRequest struct {
	Channels           []ChannelSpec  `json:"channels,omitempty"`
	Filter             jsontext.Value `json:"filter,omitempty"`
	IncludeTruncated   bool           `json:"include_truncated_messages,omitempty"`
	IncludeSoftDeleted bool           `json:"include_soft_deleted_channels,omitempty"`
	ClearDeletedText   bool           `json:"clear_deleted_message_text,omitempty"`
	ExportUsers        bool           `json:"export_users,omitempty"`
	Version            string         `json:"version"`
	Format             string         `json:"format"`
	IncludeFields      []string       `json:"include_fields,omitempty"`
	Packing
}

// Packing is how a finished file is packed.
type Packing struct {
	Compression string `json:"compression,omitempty"` // "", "gzip" or "zstd"
	EncryptTo   string `json:"encrypt_to,omitempty"`  // an age recipient
}

// ChannelSpec is one channel of a request, with its window.
type ChannelSpec struct {
	CID   string    `json:"cid"`
	Since chat.Time `json:"messages_since,omitzero"`
	Until chat.Time `json:"messages_until,omitzero"`
}

// UsersRequest is the body of POST /export/users, checked.
type UsersRequest struct {
	UserIDs []string `json:"user_ids"`
	Packing
}

// The values of the request's options.
const (
	V1      = "v1"
	V2      = "v2"
	JSON    = "json"
	CSV     = "csv"
	Parquet = "parquet"
	Gzip    = "gzip"
	Zstd    = "zstd"
	None    = "none"
)

// Kind and extension of the finished file.
func (r *ChannelsRequest) ext() string {
	switch {
	case r.Format == CSV:
		return "csv"
	case r.Format == Parquet:
		return "parquet"
	case r.Version == V2:
		return "jsonl"
	default:
		return "json"
	}
}

// suffix is what packing adds to the file's name.
func (p *Packing) suffix() string {
	s := map[string]string{Gzip: ".gz", Zstd: ".zst"}[p.Compression]
	if p.EncryptTo != "" {
		s += ".age"
	}
	return s
}

// answer turns a decoding error into the answer to the request.
func answer(err error) error {
	if f, ok := errors.AsType[*wire.FieldError](err); ok {
		return f.AsError("")
	}
	return err
}

// DecodeChannels reads and checks the body of POST /export_channels. Whether
// the channels exist is not its business. Errors are *wire.Error.
func DecodeChannels(body []byte, limits Limits) (*ChannelsRequest, error) {
	r := &ChannelsRequest{Version: V1, Format: JSON}
	given := false
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		switch name {
		case "channels":
			given = true
			r.Channels, err = decodeSpecs(v, at, limits.Channels)
		case "filter":
			if v.Kind() != '{' {
				return wire.BadField("filter", "must be an object")
			}
			r.Filter = wire.AppendCompact(nil, v)
		case "include_truncated_messages":
			r.IncludeTruncated, err = wire.Bool(name, v, at)
		case "include_soft_deleted_channels":
			r.IncludeSoftDeleted, err = wire.Bool(name, v, at)
		case "clear_deleted_message_text":
			r.ClearDeletedText, err = wire.Bool(name, v, at)
		case "export_users":
			r.ExportUsers, err = wire.Bool(name, v, at)
		case "version":
			r.Version, err = option(name, v, at, V1, V1, V2)
		case "format":
			r.Format, err = option(name, v, at, JSON, JSON, CSV, Parquet)
		case "include_fields":
			r.IncludeFields, err = wire.StringList(name, v, at)
		default:
			err = r.decode(name, v, at)
		}
		return err
	})
	if err != nil {
		return nil, answer(err)
	}
	switch {
	case r.Filter != nil && given:
		return nil, wire.BadField("filter", "cannot be combined with channels: give one of them")
	case r.Filter != nil:
		if _, err := parseFilter(r.Filter); err != nil {
			return nil, err
		}
	case len(r.Channels) == 0:
		return nil, wire.BadField("channels", "is required and must name at least one channel")
	}
	return r, r.check()
}

func (r *ChannelsRequest) check() error {
	tabular := r.Format == CSV || r.Format == Parquet
	switch {
	case tabular && r.Version != V2:
		return wire.BadField("format", "%s needs version v2", r.Format)
	case r.Format == CSV && r.ExportUsers:
		return wire.BadField("export_users", "cannot be combined with format csv")
	case r.Format == Parquet && r.ExportUsers:
		return wire.BadField("export_users", "cannot be combined with format parquet")
	case len(r.IncludeFields) > 0 && !tabular:
		return wire.BadField("include_fields", "needs format csv or parquet")
	}
	if tabular {
		return checkColumns(r.Format, r.IncludeFields)
	}
	return nil
}

// option reads a string that must be one of few; "" counts as not given.
func option(name string, v jsontext.Value, at int64, fallback string, allowed ...string) (string, error) {
	s, err := wire.String(name, v, at)
	if err != nil {
		return "", err
	}
	if s == "" {
		return fallback, nil
	}
	if !slices.Contains(allowed, s) {
		return "", wire.BadField(name, "must be one of %s", strings.Join(allowed, ", "))
	}
	return s, nil
}

func (p *Packing) decode(name string, v jsontext.Value, at int64) (err error) {
	switch name {
	case "compression":
		p.Compression, err = option(name, v, at, None, None, Gzip, Zstd)
		if p.Compression == None {
			p.Compression = ""
		}
	case "encrypt_to":
		if p.EncryptTo, err = wire.String(name, v, at); err == nil && p.EncryptTo != "" {
			if _, perr := age.ParseX25519Recipient(p.EncryptTo); perr != nil {
				return wire.BadField(name, "must be an age recipient (age1…)")
			}
		}
	}
	return err
}

func decodeSpecs(list jsontext.Value, at int64, most int) ([]ChannelSpec, error) {
	var specs []ChannelSpec
	err := wire.List(list, func(i int, v jsontext.Value, off int64) error {
		if most > 0 && i >= most {
			return wire.BadField("channels", "must name at most %d channels", most)
		}
		spec, err := decodeSpec(fmt.Sprintf("channels[%d]", i), v)
		if err != nil {
			return err
		}
		if !slices.Contains(specs, spec) {
			specs = append(specs, spec)
		}
		return nil
	})
	return specs, wire.Within(err, "channels", at)
}

func decodeSpec(path string, v jsontext.Value) (spec ChannelSpec, err error) {
	var typ, id string
	var since, until time.Time
	err = wire.Object(v, func(name string, v jsontext.Value, at int64) (err error) {
		switch name {
		case "type":
			typ, err = wire.String(name, v, at)
		case "id":
			id, err = wire.String(name, v, at)
		case "cid":
			spec.CID, err = wire.String(name, v, at)
		case "messages_since":
			since, err = wire.Instant(name, v, at)
		case "messages_until":
			until, err = wire.Instant(name, v, at)
		}
		return err
	})
	if f, ok := errors.AsType[*wire.FieldError](err); ok {
		return spec, f.AsError(path)
	}
	if err != nil {
		return spec, err
	}
	switch {
	case spec.CID == "" && typ == "" && id == "":
		return spec, wire.BadField(path, "must have type and id, or cid")
	case spec.CID == "" && typ == "":
		return spec, wire.BadField(path+".type", "is required with id")
	case spec.CID == "" && id == "":
		return spec, wire.BadField(path+".id", "is required with type")
	case spec.CID == "":
		spec.CID = typ + ":" + id
	default:
		ctyp, cid, _ := strings.Cut(spec.CID, ":")
		if typ != "" && typ != ctyp || id != "" && id != cid {
			return spec, wire.BadField(path+".cid", "contradicts type and id")
		}
	}
	if _, _, ok := wire.SplitCID(spec.CID); !ok {
		return spec, wire.BadField(path, "is not a channel's cid: type:id, of letters, digits and @ _ ! -")
	}
	if !until.IsZero() && since.After(until) {
		return spec, wire.BadField(path+".messages_since", "must not be after messages_until")
	}
	spec.Since, spec.Until = bound(since), bound(until)
	return spec, nil
}

// bound is a bound of a window, and 0 where there is none.
func bound(t time.Time) chat.Time {
	if t.IsZero() {
		return 0
	}
	return chat.Bound(t)
}

// DecodeUsers reads and checks the body of POST /export/users. Errors are
// *wire.Error.
func DecodeUsers(body []byte, limits Limits) (*UsersRequest, error) {
	r := &UsersRequest{}
	err := wire.Object(body, func(name string, v jsontext.Value, at int64) (err error) {
		if wire.IsNull(v) {
			return nil
		}
		if name != "user_ids" {
			return r.decode(name, v, at)
		}
		return wire.Within(wire.List(v, func(i int, v jsontext.Value, off int64) error {
			if limits.Users > 0 && i >= limits.Users {
				return wire.BadField("user_ids", "must name at most %d users", limits.Users)
			}
			field := fmt.Sprintf("[%d]", i)
			id, err := wire.ID(field, v, off, wire.MaxUserID)
			if err == nil && id == "" {
				return wire.BadField("user_ids"+field, "must not be empty")
			}
			if err == nil && !slices.Contains(r.UserIDs, id) {
				r.UserIDs = append(r.UserIDs, id)
			}
			return err
		}), "user_ids", at)
	})
	if err != nil {
		return nil, answer(err)
	}
	if len(r.UserIDs) == 0 {
		return nil, wire.BadField("user_ids", "is required and must name at least one user")
	}
	return r, nil
}

func encode(request any) ([]byte, error) {
	b, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return b, nil
}
