// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"encoding/base64"
	"fmt"

	"github.com/xmppfed/xmppfed/internal/engine"
)

// Resume opens a client's stream that goes on with an earlier one (XEP-0198), of which the client has got h stanzas.
func Resume(domain, localpart, password, id string, h int) (*Stream, error) {
	s, err := openClient(engine.PortNumberC2S, domain)
	if err != nil {
		return nil, err
	}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + localpart + "\x00" + password))
	err = s.exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"+secret+"</auth>", "<success")
	if err == nil {
		err = s.exchange(s.header, "</stream:features>")
	}
	if err == nil {
		err = s.exchange(fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>", id, h), "<resumed")
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
