// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// spoof sends a message in the name of from on a stream that stands, and then something in the own name of the stream that has to be
// answered. The server may end the stream or ignore the message.
func (s *stream) spoof(target Target, own, from, about string) (string, error) {
	err := s.exchange(forged(target, from, about)+ping(own, target.Domain), pingID)
	if err == nil {
		return "ignored", nil
	}
	return refused(err)
}

// pingID is in what answers a ping.
const pingID = "ping-after-all-that"

func ping(from, to string) string {
	return fmt.Sprintf("<iq type='get' id='%s' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", pingID, from, to)
}

// spoofing are attacks by a domain that has proven itself and speaks in the name of others.
func spoofing() []Attack {
	const child, parent = "child.parent.example", "parent.example"
	var attacks []Attack
	add := func(name, own string, from func(target Target) string) {
		attacks = append(attacks, trick("a message in the name of "+name, func(ctx context.Context, target Target) (string, error) {
			s, err := federate(ctx, target, own, target.Domain, target.Issue(own))
			if err != nil {
				return "", err
			}
			defer s.Close()
			return s.spoof(target, own, from(target), "in the name of "+name)
		}))
	}
	always := func(from string) func(Target) string { return func(Target) string { return from } }
	add("a third domain", thief, always("a@"+healthyPartner))
	add("a third domain in upper case", thief, always("a@"+strings.ToUpper(healthyPartner)))
	add("a third domain without a user", thief, always(healthyPartner))
	add("a user of the server", thief, func(target Target) string { return target.Attacker.Name + "@" + target.Domain })
	add("the server", thief, func(target Target) string { return target.Domain })
	add("a room", thief, func(target Target) string { return "room@" + target.Rooms + "/somebody" })
	add("a sub-domain of one's own", thief, always("a@sub."+thief))
	add("the parent of one's domain", child, always("a@"+parent))
	add("nobody", thief, always(""))
	return append(attacks, trick("relaying to a third domain", relay))
}

// relay has the server pass a message on that is for somebody else's user.
func relay(ctx context.Context, target Target) (string, error) {
	const third = "third.example"
	h := &host{issue: target.Issue, stanzas: map[string]int{}}
	address, err := listen(ctx, target, h.serve)
	if err != nil {
		return "", err
	}
	if err := target.Names.Point(address, third); err != nil {
		return "", err
	}
	s, err := federate(ctx, target, thief, target.Domain, target.Issue(thief))
	if err != nil {
		return "", err
	}
	defer s.Close()
	relayed := fmt.Sprintf("<message type='chat' from='a@%s' to='b@%s'><body>relayed</body></message>", thief, third)
	err = s.send("%s", relayed)
	var said string
	if err == nil {
		said, err = s.spoof(target, thief, "a@"+third, "in the name of a third domain that was to get a message")
	}
	if err == nil && h.served() > 0 {
		err = errors.New("the server relayed a message to a third domain")
	}
	return said, err
}

// piggyback are attacks on a stream that stands for one domain, which try to add others by dialback (XEP-0220).
func piggyback(target Target) []Attack {
	var attacks []Attack
	add := func(name, victim string, claim func(s *stream) error) {
		attacks = append(attacks, trick(name, func(ctx context.Context, target Target) (string, error) {
			s, err := federate(ctx, target, thief, target.Domain, target.Issue(thief))
			if err != nil {
				return "", err
			}
			defer s.Close()
			claimed := claim(s)
			said, err := s.spoof(target, thief, "a@"+victim, "after "+name)
			if err != nil || claimed == nil {
				return said, err
			}
			return refused(claimed)
		}))
	}
	dialback := func(victim string) func(s *stream) error {
		return func(s *stream) error {
			err := s.dialback(victim, target.Domain)
			if err == nil {
				err = errors.New("dialback was let in")
			}
			return err
		}
	}
	add("dialback of a denied domain on another's stream", shut, dialback(shut))
	add("dialback of a domain that has to have a certificate", certified, dialback(certified))
	add("dialback of the healthy partner on another's stream", healthyPartner, dialback(healthyPartner))
	add("dialback of the server's own domain", target.Domain, dialback(target.Domain))
	add("dialback of the room service's domain", target.Rooms, dialback(target.Rooms))
	add("a verdict of dialback that nobody asked for", healthyPartner, func(s *stream) error {
		return s.send("<db:result from='%s' to='%s' type='valid'/>", healthyPartner, target.Domain)
	})
	add("a verification of dialback that nobody asked for", healthyPartner, func(s *stream) error {
		return s.send("<db:verify from='%s' to='%s' id='1' type='valid'/>", healthyPartner, target.Domain)
	})
	return attacks
}
