package importer

// Form is what kind of file it is, as far as the rules differ.
type Form string

// The forms.
const (
	// Documented is Stream's import file: strict order, no id twice.
	Documented Form = "import"
	// ExportV1 is one array of channels.
	ExportV1 Form = "v1"
	// ExportV2 is a channels export in lines.
	ExportV2 Form = "v2"
	// ExportUsers is a users export: the user, message, reaction and call
	// lines of one user, then those of the next.
	ExportUsers Form = "users"
)

// order follows the order of a file's records and finds out its form.
type order struct {
	begun    bool
	last     kind
	decided  bool // documented or export is settled
	export   bool
	v1       bool
	channels bool // some record is about channels: it is no users export
}

func (o *order) form() Form {
	switch {
	case o.v1:
		return ExportV1
	case !o.export:
		return Documented
	case o.channels:
		return ExportV2
	}
	return ExportUsers
}

// embeddedReactions reports whether reactions inside messages count.
func (f Form) embeddedReactions() bool { return f == ExportV1 || f == ExportUsers }

// exports may name a channel or a message twice, with other windows.
func (f Form) isExport() bool { return f != Documented }

// settled reports that records in lines are decoded alike from here on: reactions
// inside messages do not count, and will not.
func (o *order) settled() bool { return o.decided && !o.v1 && (!o.export || o.channels) }

// see takes note of the next record. If it stands in the wrong place, after is
// the kind that it must come before.
func (o *order) see(r *record) (after kind, ok bool) {
	if r.rec.Group > 0 {
		o.begun, o.decided, o.export, o.v1, o.channels = true, true, true, true, true
		return 0, true
	}
	if !o.decided {
		o.decide(r)
	}
	switch r.kind {
	case kindDevice, kindBan, kindChannel, kindMember, kindRead:
		o.channels = true
	}
	nextUser := r.kind == kindUser && o.export && !o.channels
	if o.begun && r.kind < o.last && !nextUser {
		return o.last, false
	}
	o.begun, o.last = true, r.kind
	return 0, true
}

// decide tells an export from the documented form. Only exports are written
// with the objects of users in place of their ids, and with what is derived.
func (o *order) decide(r *record) {
	raw := r.rec.Raw
	o.decided = true
	switch r.kind {
	case kindUser:
		if r.user.Dangling() { // both may begin with the trace of a user
			o.decided = false
			return
		}
		o.export = has(raw, "online")
	case kindChannel:
		o.export = has(raw, "cid") || has(raw, "config")
	case kindRead, kindCall:
		o.export = true
	case kindMember, kindMessage, kindReaction:
		o.export = len(r.embedded) > 0
	}
	if r.rec.Item {
		o.export = false
	}
}
