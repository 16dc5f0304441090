// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"fmt"

	"mellium.im/xmlstream"
)

// handler turns incoming stanzas into events.
type handler struct{ events *printer }

// HandleXMPP implements xmpp.Handler. Requests (IQ) are left to the session, which answers that it serves none.
func (h handler) HandleXMPP(stream xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	if start.Name.Local != "presence" && start.Name.Local != "message" {
		return nil
	}
	var in incoming
	element := xmlstream.MultiReader(xmlstream.Token(*start), stream) // the decoder must see the start, or it rejects the end
	if err := xml.NewTokenDecoder(element).Decode(&in); err != nil {
		return fmt.Errorf("reading a %s: %w", start.Name.Local, err)
	}
	h.events.print(in.event(start.Name.Local))
	return nil
}

func (in incoming) event(kind string) event {
	e := event{Event: kind, From: in.From, To: in.To, Type: in.Type, Show: in.Show, Body: in.Body}
	if kind == "presence" && e.Type == "" {
		e.Type = "available"
	}
	if in.Error != nil {
		e.Condition, e.Text = string(in.Error.Condition), in.Error.Text[""]
		for _, text := range in.Error.Text {
			e.Text = text
		}
	}
	return e
}
