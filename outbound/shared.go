package outbound

import (
	"encoding/json"
	"errors"
	"fmt"

	"mxdesk/internal/address"
)

// mailbox is an address with the name of whom it belongs to.
type mailbox struct {
	Name    string
	Address address.Address
}

// sharedRow is a mailbox as the column shared_with has it.
type sharedRow struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"`
}

// sharedWith lists for that column whom a shared letter names; "" when it is not shared.
func (m *Message) sharedWith() string {
	if !m.Shared {
		return ""
	}
	rows := make([]sharedRow, len(m.Deliveries))
	for i, d := range m.Deliveries {
		rows[i] = sharedRow{Name: storable(d.Name), Address: d.Recipient.String()}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

// parseShared reads what sharedWith wrote.
func parseShared(text string) ([]mailbox, error) {
	var rows []sharedRow
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("read recipients of a shared letter: %w", err)
	}
	if len(rows) == 0 {
		return nil, errors.New("read recipients of a shared letter: there are none")
	}
	list := make([]mailbox, len(rows))
	for i, r := range rows {
		a, err := address.Parse(r.Address)
		if err != nil {
			return nil, fmt.Errorf("read recipients of a shared letter: %w", err)
		}
		list[i] = mailbox{Name: r.Name, Address: a}
	}
	return list, nil
}
