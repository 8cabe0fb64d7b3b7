package wire

import "testing"

// A member that the v2 dialect knows must not be a custom field for the
// decoder: it would leave "custom" on its way out.
func TestDialectAndDecodersAgree(t *testing.T) {
	t.Parallel()
	shown := names("mentioned_channel mentioned_here team filter_tags") // kept as custom, shown as built in
	for kind, known := range map[Kind]map[string]struct{}{
		KindUser: userNames, KindChannel: channelNames, KindMember: memberNames, KindMessage: messageNames,
		KindReaction: reactionNames, KindCall: callNames,
	} {
		for name := range shapes[kind].fields {
			_, ok := known[name]
			if _, special := shown[name]; !ok && !special {
				t.Errorf("kind %d: %s", kind, name)
			}
		}
	}
}
