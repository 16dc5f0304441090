// SPDX-License-Identifier: Apache-2.0

package rfc2136

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// maxGrants are printed in a message.
const maxGrants = 8

// checkUpdate turns the response code to an update into an error (RFC 2136 section 2.2).
func (s *session) checkUpdate(answer *miekg.Msg, change dns.Change) error {
	switch answer.Rcode {
	case miekg.RcodeSuccess:
		return nil
	case miekg.RcodeYXRrset, miekg.RcodeNXRrset, miekg.RcodeYXDomain, miekg.RcodeNameError:
		return dns.ErrPrerequisite
	case miekg.RcodeNotAuth:
		if answer.IsTsig() != nil && answer.IsTsig().Error == miekg.RcodeBadKey {
			return s.updateRefused(answer, change)
		}
		return s.notAuthoritative(answer)
	case miekg.RcodeServerFailure:
		return s.failing(answer)
	case miekg.RcodeRefused:
		return s.updateRefused(answer, change)
	case miekg.RcodeNotZone:
		return perName(s.permanent(v1alpha1.ReasonNameOutsideZone, answer, fmt.Sprintf("%s says that a name does not lie in its zone %s; "+
			"compare spec.zone of the DNSZone with the zone that the server has", s.server, s.client.zoneName())))
	default:
		return s.permanent(v1alpha1.ReasonUpdateRejected, answer, fmt.Sprintf("%s can't process an update of zone %s (%s); name a "+
			"server in the DNSZone that supports dynamic update with prerequisites (RFC 2136)", s.server, s.client.zoneName(),
			rcode(answer)))
	}
}

// checkQuery turns anything but an authoritative answer to a query into an error.
func (s *session) checkQuery(answer *miekg.Msg, k dns.Key) error {
	switch answer.Rcode {
	case miekg.RcodeSuccess, miekg.RcodeNameError:
		if answer.Authoritative {
			return nil
		}
		for _, rr := range answer.Ns {
			if ns, ok := rr.(*miekg.NS); ok && s.client.below(ns.Hdr.Name) {
				return s.delegated(k, dns.Canonical(ns.Hdr.Name))
			}
		}
		return s.notAuthoritative(answer)
	case miekg.RcodeServerFailure:
		return s.failing(answer)
	case miekg.RcodeNotAuth:
		if answer.IsTsig() == nil {
			return s.signatureRejected()
		}
		return s.notAuthoritative(answer)
	case miekg.RcodeRefused:
		return s.notAuthoritative(answer)
	default:
		return s.permanent(v1alpha1.ReasonUpdateRejected, answer, fmt.Sprintf("%s can't process a query for %s (%s); name a DNS "+
			"server in the DNSZone that is the primary of zone %s", s.server, k, rcode(answer), s.client.zoneName()))
	}
}

func (c *Client) below(name string) bool {
	return dns.InZone(name, c.apex) && dns.Canonical(name) != c.apex
}

func (c *Client) zoneName() string { return dns.Display(c.apex) }
func (c *Client) keyName() string  { return dns.Display(c.key.name) }

// permanent is an error that somebody must put right. The server's own words (RFC 8914) come last.
func (s *session) permanent(reason string, answer *miekg.Msg, message string) *dns.Error {
	return &dns.Error{Reason: reason, Message: message + hints(answer), Permanent: true}
}

// hints are what the server says beyond the response code, and whether it can be believed.
func hints(answer *miekg.Msg) string {
	var out string
	if opt := answer.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*miekg.EDNS0_EDE); ok {
				said := miekg.ExtendedErrorCodeToString[ede.InfoCode] + " " + printable(ede.ExtraText)
				out += "; the server says: " + strings.TrimSpace(said)
			}
		}
	}
	if answer.IsTsig() == nil {
		out += " (the answer was not signed)"
	}
	return out
}

// printable keeps what a server says from breaking the message.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s[:min(len(s), 200)])
}

func rcode(answer *miekg.Msg) string {
	if name, ok := miekg.RcodeToString[answer.Rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", answer.Rcode)
}

// perName marks an error that may be on account of some of the names of a change.
func perName(e *dns.Error) *dns.Error {
	e.PerName = true
	return e
}

func (s *session) updateRefused(answer *miekg.Msg, change dns.Change) *dns.Error {
	return perName(s.permanent(v1alpha1.ReasonUpdateRefused, answer, fmt.Sprintf("%s refuses key %s an update of zone %s; its "+
		"administrator allows it, in BIND with update-policy { %s }, in Knot DNS with an acl that has action update, in PowerDNS "+
		"with TSIG-ALLOW-DNSUPDATE and, for the operator's address, ALLOW-DNSUPDATE-FROM; if the server is a secondary, name the "+
		"primary in the DNSZone",
		s.server, s.client.keyName(), s.client.zoneName(), s.client.grants(change))))
}

func (s *session) notAuthoritative(answer *miekg.Msg) *dns.Error {
	return s.permanent(v1alpha1.ReasonNotAuthoritative, answer, fmt.Sprintf("%s is not the primary of zone %s, or does not answer "+
		"queries of key %s for it; correct servers or zone in the DNSZone, or have the server's administrator load the zone and "+
		"allow the queries (allow-query)", s.server, s.client.zoneName(), s.client.keyName()))
}

func (s *session) delegated(k dns.Key, cut string) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonNotAuthoritative,
		Message: fmt.Sprintf("%s can't be published in zone %s: %s is delegated to other name servers; have the platform team create "+
			"a DNSZone for %s", k, s.client.zoneName(), dns.Display(cut), dns.Display(cut)),
		Permanent: true,
		About:     k,
	}
}

// failing is SERVFAIL.
func (s *session) failing(answer *miekg.Msg) *dns.Error {
	return &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: s.server + " answers SERVFAIL" + hints(answer)}
}

// unavailable puts together what is wrong with each server.
func (c *Client) unavailable(troubles []string, cause error) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: fmt.Sprintf("no DNS server of zone %s can be used: %s; whoever runs it starts it or looks into its log, or correct "+
			"servers in the DNSZone and open TCP to them", c.zoneName(), strings.Join(troubles, ", ")),
		Err: cause,
	}
}

// unsettled marks an error that came after an update may have reached the server.
func unsettled(err error) error {
	e, ok := dns.AsError(err)
	if !ok || e.Permanent {
		return err
	}
	out := *e
	out.Unsettled = true
	out.Message = "the answer to an update was lost: " + e.Message + "; if this goes on, whoever runs the server looks into its log"
	return &out
}

func (s *session) unauthenticated(what string) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonUnauthenticatedResponse,
		Message: fmt.Sprintf("%s gave %s, which may be forged and was refused; its administrator makes it sign answers with TSIG key "+
			"%s, and looks for a proxy or an attacker on the way", s.server, what, s.client.keyName()),
		Permanent: true,
	}
}

// signatureRefused is a server that does not accept our signature (RFC 8945 section 5.2).
func (s *session) signatureRefused(signature *miekg.TSIG) *dns.Error {
	e := &dns.Error{Permanent: true}
	name, algorithm := s.client.keyName(), dns.Display(s.client.key.algorithm)
	switch signature.Error {
	case miekg.RcodeBadKey:
		e.Reason = v1alpha1.ReasonTSIGKeyUnknown
		e.Message = fmt.Sprintf("%s does not know TSIG key %s with algorithm %s (BADKEY); compare keyName and algorithm in the DNSZone "+
			"with the server's key statement, or have its administrator add the key (tsig-keygen -a %s %s); Knot DNS says the same "+
			"of a key that no acl of the zone allows the query or update",
			s.server, name, algorithm, algorithm, name)
	case miekg.RcodeBadTime:
		return s.clockSkew(serverTime(signature))
	case miekg.RcodeBadTrunc:
		e.Reason = v1alpha1.ReasonTSIGBadSignature
		e.Message = fmt.Sprintf("%s demands a longer signature than %s of key %s (BADTRUNC); choose a longer algorithm on both sides",
			s.server, algorithm, name)
	default:
		e.Reason = v1alpha1.ReasonTSIGBadSignature
		e.Message = fmt.Sprintf("%s knows TSIG key %s but with another secret (BADSIG); the platform team puts the secret from the "+
			"server's key statement into the Secret that provider.rfc2136 of the DNSZone for %s names for that key",
			s.server, name, s.client.zoneName())
	}
	return e
}

// signatureRejected is a server that does not accept our signature and leaves out what RFC 8945 section 5.2 demands. To a
// query NOTAUTH means nothing else (the meaning of RFC 2136 section 2.2 is for updates).
func (s *session) signatureRejected() *dns.Error {
	name, algorithm := s.client.keyName(), dns.Display(s.client.key.algorithm)
	return &dns.Error{
		Reason: v1alpha1.ReasonTSIGBadSignature,
		Message: fmt.Sprintf("%s does not accept the signature by TSIG key %s and does not say why, as PowerDNS does; the platform "+
			"team compares name, algorithm (%s) and secret in provider.rfc2136 of the DNSZone for %s with the server's key (pdnsutil "+
			"list-tsig-keys), and the clocks", s.server, name, algorithm, s.client.zoneName()),
		Permanent: true,
	}
}

// serverTime is the server's clock, as told with BADTIME (RFC 8945 section 5.2.3).
func serverTime(signature *miekg.TSIG) time.Time {
	raw, err := hex.DecodeString(signature.OtherData)
	if err != nil || len(raw) != 6 {
		return time.Unix(int64(signature.TimeSigned), 0)
	}
	var seconds int64
	for _, b := range raw {
		seconds = seconds<<8 | int64(b)
	}
	return time.Unix(seconds, 0)
}

// clockSkew tells whose clock is ahead and the order of magnitude, as an exact figure would change from try to try.
func (s *session) clockSkew(server time.Time) *dns.Error {
	skew, ahead := s.client.cfg.Now().Sub(server), "operator"
	if skew < 0 {
		skew, ahead = -skew, "DNS server"
	}
	size := "minutes"
	switch {
	case skew > 48*time.Hour:
		size = "days"
	case skew > 2*time.Hour:
		size = "hours"
	}
	return &dns.Error{
		Reason: v1alpha1.ReasonClockSkew,
		Message: fmt.Sprintf("%s refuses the signature because the clocks differ by %s (BADTIME): that of the %s is ahead; set the "+
			"clocks of the server and of the operator's node by NTP", s.server, size, ahead),
		Permanent: true,
	}
}

// grants are the lines of a BIND update-policy that the change needs: by name, but for ownership records, which all may
// be written below the label that is theirs.
func (c *Client) grants(change dns.Change) string {
	types := map[string][]string{}
	add := func(k dns.Key) {
		target := "name " + k.Name
		if _, anchor, ok := strings.Cut(k.Name, "._xmppfed."); ok {
			target = "subdomain _xmppfed." + anchor
		}
		if t := dns.TypeName(k.Type); !slices.Contains(types[target], t) {
			types[target] = append(types[target], t)
		}
	}
	for _, k := range change.Drop {
		add(k)
	}
	for _, set := range change.Put {
		add(set.Key())
	}
	var lines []string
	for _, target := range slices.Sorted(maps.Keys(types)) {
		if len(lines) == maxGrants {
			lines = append(lines, "...")
			break
		}
		slices.Sort(types[target])
		lines = append(lines, fmt.Sprintf("grant %s %s %s;", c.keyName(), target, strings.Join(types[target], " ")))
	}
	return strings.Join(lines, " ")
}
