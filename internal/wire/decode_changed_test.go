package wire_test

import (
	"errors"
	"testing"

	"hansard/internal/chat"
	"hansard/internal/wire"
)

func TestDecodeChangedMessage(t *testing.T) {
	t.Parallel()
	m, err := wire.DecodeChangedMessage([]byte(`{"text":"x","pinned":true,"user":null,"mentioned_users":["al"],"custom":{"a":1}}`))
	if err != nil || m.Text != "x" || !m.Pinned || m.ID != "" || m.UserID != "" || m.Type != chat.Regular || len(m.MentionedUsers) != 1 || len(m.Custom) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := wire.DecodeChangedMessage([]byte(`{}`)); err != nil {
		t.Error(err)
	}
	var field *wire.FieldError
	if _, err := wire.DecodeChangedMessage([]byte(`{"attachments":[7]}`)); !errors.As(err, &field) || field.Field != "attachments[0]" {
		t.Errorf("%v", err)
	}
}
