package sqlstore

import (
	"bytes"
	"fmt"

	"hansard/internal/chat"

	"github.com/go-json-experiment/json/jsontext"
)

// parseCustom reads the object that wire.AppendCustomObject wrote.
func parseCustom(object []byte) (chat.Custom, error) {
	if len(object) <= 2 {
		return nil, nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		return nil, fmt.Errorf("stored custom fields: %w", err)
	}
	var c chat.Custom
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("stored custom fields: %w", err)
		}
		field := chat.CustomField{Name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("stored custom fields: %w", err)
		}
		field.Value = append(chat.Raw(nil), value...)
		c = append(c, field)
	}
	return c, nil
}
