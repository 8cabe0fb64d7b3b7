package export

import (
	"errors"
	"hash/maphash"
	"math/bits"
	"strings"

	"hansard/internal/chat"
	"hansard/internal/wire"

	"github.com/go-json-experiment/json/jsontext"
)

// keys is a set of the keys that are looked at.
type keys uint16

const (
	hasID keys = 1 << iota
	hasCID
	hasType
	hasUser
	hasUserID
	hasMessageID
	hasChannelCID
	hasCreated
	hasDeleted
	hasLastRead
	hasReactions
	hasCreatedBy
	hasOnline
	hasBanned
)

// keyNames are the names of the keys above, in their order.
var keyNames = [...]string{"id", "cid", "type", "user", "user_id", "message_id", "channel_cid", "created_at", "deleted_at", "last_read", "latest_reactions", "created_by", "online", "banned"}

var keyOf = func() map[string]keys {
	m := map[string]keys{}
	for i, name := range keyNames {
		m[name] = 1 << i
	}
	return m
}()

func (k keys) String() string {
	var names []string
	for rest := k; rest != 0; rest &= rest - 1 {
		names = append(names, keyNames[bits.TrailingZeros16(uint16(rest))])
	}
	return strings.Join(names, ", ")
}

// required is what an object of each type has in every format.
var required = map[string]keys{
	"user":     hasID,
	"channel":  hasID | hasCID | hasType | hasCreated,
	"member":   hasUserID | hasUser | hasCreated,
	"read":     hasUser | hasLastRead,
	"message":  hasID | hasCID | hasType | hasUser | hasCreated | hasReactions,
	"reaction": hasMessageID | hasUserID | hasUser | hasType | hasCreated,
	"call":     hasID | hasCID | hasType | hasCreated,
}

// object is what is looked at in one object of the file.
type object struct {
	given      keys // and not null
	id         string
	cid        string
	typ        string
	user       string // the id in user
	userID     string
	messageID  string
	channelCID string
	created    chat.Time
	reactions  int64
	named      bool   // its user, or who created it, is an id and no object
	differ     string // what in it does not fit together
}

// readObject checks that raw is a JSON object and reads it; typ is what it
// should be.
func readObject(raw jsontext.Value, typ string) (*object, error) {
	o := &object{}
	err := wire.Object(raw, func(name string, v jsontext.Value, at int64) error {
		key := keyOf[name]
		if key == 0 || wire.IsNull(v) {
			return nil
		}
		o.given |= key
		return o.read(key, name, v, at)
	})
	if err != nil {
		return nil, err
	}
	switch {
	case (typ == "channel" || typ == "call") && o.cid != o.typ+":"+o.id:
		o.differ = "its cid is not its type and id"
	case o.given&hasUser != 0 && o.given&hasUserID != 0 && o.user != o.userID:
		o.differ = "user_id is not the id of user"
	case typ == "message" && o.given&hasMessageID != 0 && o.messageID != o.id:
		o.differ = "message_id is not id"
	case typ == "message" && o.given&hasChannelCID != 0 && o.channelCID != o.cid:
		o.differ = "channel_cid is not cid"
	}
	return o, nil
}

func (o *object) read(key keys, name string, v jsontext.Value, at int64) (err error) {
	switch key {
	case hasID:
		o.id, err = wire.String(name, v, at)
	case hasCID:
		o.cid, err = wire.String(name, v, at)
	case hasType:
		o.typ, err = wire.String(name, v, at)
	case hasUser:
		o.named = v.Kind() == '"'
		o.user, err = wire.UserRef(name, v, at)
	case hasCreatedBy:
		o.named = v.Kind() == '"'
	case hasUserID:
		o.userID, err = wire.String(name, v, at)
	case hasMessageID:
		o.messageID, err = wire.String(name, v, at)
	case hasChannelCID:
		o.channelCID, err = wire.String(name, v, at)
	case hasCreated:
		o.created, err = instant(name, v, at)
	case hasDeleted, hasLastRead:
		_, err = instant(name, v, at)
	case hasReactions:
		err = wire.Within(wire.List(v, func(int, jsontext.Value, int64) error {
			o.reactions++
			return nil
		}), name, at)
	}
	return err
}

// instant reads a time, which in a file is a string.
func instant(name string, v jsontext.Value, at int64) (chat.Time, error) {
	if v.Kind() != '"' {
		return 0, &wire.FieldError{Field: name, Offset: at, Reason: errNoTime.Error()}
	}
	return wire.Time(name, v, at)
}

var errNoTime = errors.New("must be a time in RFC 3339")

// channelOrder is the order in which a file has its channels. A channel comes
// several times if it was asked for with several windows.
type channelOrder struct {
	seed maphash.Seed
	cids []uint64 // hashes: there may be many
	full bool
}

// maxOrder bounds what a channelOrder remembers; in files with more channels
// their order is not checked.
const maxOrder = 1 << 20

func newChannelOrder() *channelOrder { return &channelOrder{seed: maphash.MakeSeed()} }

func (c *channelOrder) add(cid string) {
	if c.full = c.full || len(c.cids) == maxOrder; !c.full {
		c.cids = append(c.cids, maphash.String(c.seed, cid))
	}
}

// next finds the first place of a channel from a place on.
func (c *channelOrder) next(from int, cid string) (place int, ok bool) {
	if c.full {
		return from, true
	}
	h := maphash.String(c.seed, cid)
	for i := from; i < len(c.cids); i++ {
		if c.cids[i] == h {
			return i, true
		}
	}
	return 0, false
}

// track follows the objects of one type that belong to channels.
type track struct {
	begun bool
	from  int // the channels before it are done
	cid   string
	at    chat.Time
	id    string
}

// step moves on to an object and says what is wrong with its place; empty if
// nothing is. Without a time only a repeated id is wrong.
func (t *track) step(order *channelOrder, cid string, at chat.Time, id string) (wrong string) {
	before := *t
	t.begun, t.cid, t.at, t.id = true, cid, at, id
	same := before.begun && before.cid == cid
	if same && id != before.id && (at == 0 || later(at, id, before.at, before.id)) {
		return ""
	}
	if place, ok := order.next(before.from, cid); ok {
		t.from = place + 1
		return ""
	}
	switch {
	case !same:
		return "has no place here: the channel " + quote(cid) + " is not in the file, or comes earlier"
	case id == before.id:
		return "is there twice"
	default:
		return "is out of order: it is older than the one before it"
	}
}
