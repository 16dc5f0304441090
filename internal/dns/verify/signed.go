// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// Signed tells whether partners can trust what p's zone says (DNSSEC, RFC 4035 section 5): the parent names a key of the
// zone (DS), that key vouches for the zone's keys, and one of these signs what every authoritative server serves now. The
// links above the parent are not looked at. If it is not, unsigned says why, and what to do: one server without signatures
// is enough, whatever becomes of the others. An error means that it could not be found out. The resolvers (host:port), or
// else those of the Verifier, are asked for what the parent says.
func (v Verifier) Signed(ctx context.Context, p dns.Provider, resolvers []string, now time.Time) (unsigned string, err error) {
	if len(resolvers) == 0 {
		resolvers = v.Resolvers
	}
	zone, err := p.Zone(ctx)
	if err != nil {
		return "", err
	}
	apex := dns.Display(zone.Apex)
	delegation, err := v.delegation(ctx, zone.Apex, resolvers)
	if err != nil {
		return "", err
	}
	if len(delegation) == 0 {
		return fmt.Sprintf("the parent of zone %s has no DS record for it; whoever runs the zone signs it (DNSSEC) and has the registrar "+
			"publish its DS record", apex), nil
	}
	servers, err := v.servers(ctx, p, zone)
	if err != nil {
		return "", err
	}
	var unknown error
	for _, s := range servers {
		unsigned, err := v.signedAt(ctx, s, zone.Apex, delegation, now)
		if unsigned != "" {
			return unsigned, nil
		}
		if unknown == nil {
			unknown = err
		}
	}
	return "", unknown
}

// signedAt tells whether one authoritative server serves the zone as the delegation demands.
func (v Verifier) signedAt(ctx context.Context, s Server, apex string, delegation []*miekg.DS, now time.Time) (unsigned string, err error) {
	if s.Err != nil {
		return "", s.Err
	}
	address, zone := net.JoinHostPort(s.Address, strconv.Itoa(int(v.port()))), dns.Display(apex)
	keys, err := v.signed(ctx, address, apex, miekg.TypeDNSKEY)
	if err != nil {
		return "", unavailable(fmt.Sprintf("name server %s of zone %s", s, zone))
	}
	if trusted := named(keys, delegation); len(trusted) == 0 || !keys.vouchedBy(trusted, now) {
		return fmt.Sprintf("name server %s serves no keys (DNSKEY) of zone %s that the DS record at its parent vouches for; "+
			"whoever runs the zone repairs its signing (DNSSEC), or the DS record", s, zone), nil
	}
	start, err := v.signed(ctx, address, apex, miekg.TypeSOA)
	if err != nil {
		return "", unavailable(fmt.Sprintf("name server %s of zone %s", s, zone))
	}
	if !start.vouchedBy(keys.keys(), now) {
		return fmt.Sprintf("name server %s serves zone %s without valid signatures (RRSIG); whoever runs the zone repairs its signing "+
			"(DNSSEC)", s, zone), nil
	}
	return "", nil
}

var errNotAuthoritative = errors.New("the answer is not authoritative")

func unavailable(who string) *dns.Error {
	return &dns.Error{
		Reason: v1alpha1.ReasonServerUnavailable,
		Message: who + " does not tell whether the zone is signed (DNSSEC), as spec.dns.tlsa needs to know; whoever runs it repairs " +
			"it, or lets the operator reach it by UDP and TCP",
	}
}

// delegation is what the parent says of the zone's keys, from the first resolver that answers.
func (v Verifier) delegation(ctx context.Context, apex string, resolvers []string) ([]*miekg.DS, error) {
	for _, resolver := range resolvers {
		answer, err := wire.Ask(ctx, wire.Question{
			Server: resolver, Key: dns.Key{Name: apex, Type: miekg.TypeDS}, Recurse: true, Timeout: v.timeout(),
		})
		if err != nil || answer.Rcode != miekg.RcodeSuccess && answer.Rcode != miekg.RcodeNameError {
			continue
		}
		var found []*miekg.DS
		for _, rr := range answer.Answer {
			if ds, ok := rr.(*miekg.DS); ok && dns.Canonical(ds.Hdr.Name) == apex {
				found = append(found, ds)
			}
		}
		return found, nil
	}
	return nil, unavailable("no resolver (" + strings.Join(resolvers, ", ") + ")")
}

// signedSet is a record set with its signatures.
type signedSet struct {
	records    []miekg.RR
	signatures []*miekg.RRSIG
}

// signed is a record set of the apex as a server has it. What a server says that does not speak for the zone now, because
// it could not transfer it for example, is no answer.
func (v Verifier) signed(ctx context.Context, server, apex string, recordType uint16) (signedSet, error) {
	answer, err := wire.Ask(ctx, wire.Question{
		Server: server, Key: dns.Key{Name: apex, Type: recordType}, Signatures: true, Timeout: v.timeout(),
	})
	if err != nil {
		return signedSet{}, err
	}
	if !wire.Authoritative(answer) {
		return signedSet{}, errNotAuthoritative
	}
	var set signedSet
	for _, rr := range answer.Answer {
		switch signature, ok := rr.(*miekg.RRSIG); {
		case dns.Canonical(rr.Header().Name) != apex:
		case ok && signature.TypeCovered == recordType:
			set.signatures = append(set.signatures, signature)
		case rr.Header().Rrtype == recordType:
			set.records = append(set.records, rr)
		}
	}
	return set, nil
}

// keys are those of a DNSKEY set.
func (s signedSet) keys() []*miekg.DNSKEY {
	var keys []*miekg.DNSKEY
	for _, rr := range s.records {
		if key, ok := rr.(*miekg.DNSKEY); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// vouchedBy tells whether one of the keys signed the set, for now.
func (s signedSet) vouchedBy(keys []*miekg.DNSKEY, now time.Time) bool {
	return len(s.records) > 0 && slices.ContainsFunc(s.signatures, func(signature *miekg.RRSIG) bool {
		return signature.ValidityPeriod(now) && slices.ContainsFunc(keys, func(key *miekg.DNSKEY) bool {
			return signature.Verify(key, s.records) == nil
		})
	})
}

// named are the keys that the parent names.
func named(keys signedSet, delegation []*miekg.DS) []*miekg.DNSKEY {
	return slices.DeleteFunc(keys.keys(), func(key *miekg.DNSKEY) bool {
		return !slices.ContainsFunc(delegation, func(ds *miekg.DS) bool {
			made := key.ToDS(ds.DigestType)
			return made != nil && made.KeyTag == ds.KeyTag && made.Algorithm == ds.Algorithm && strings.EqualFold(made.Digest, ds.Digest)
		})
	})
}
