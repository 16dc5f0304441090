// SPDX-License-Identifier: Apache-2.0

// Package conformance is the test suite of providers: what package dns promises must hold with each of them, against
// the real thing.
package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// Zone is a fresh zone with some records of others in it.
type Zone interface {
	// Provider of the zone. Each call gives a new one.
	Provider() dns.Provider
	// Losing is a provider whose first update is applied but its answer lost.
	Losing() dns.Provider
	// Edit changes the zone as somebody else would.
	Edit(dns.Change)
	// Dump is the zone's content, one sorted line per record.
	Dump() []string
}

// suite is one test's view of its zone.
type suite struct {
	*testing.T
	Zone
	apex string
}

// Run tests a provider; fresh gives each test a zone of its own.
func Run(t *testing.T, fresh func(t *testing.T) Zone) {
	tests := map[string]func(suite){
		"Records are created, changed and removed, and foreign records stay byte for byte":  lifecycle,
		"Nothing is written when the zone is as wanted":                                     idle,
		"A record that somebody changed or removed is put back":                             drift,
		"What is left out of the units is released without being named":                     releaseUnnamed,
		"A record moves from one anchor to another in one update":                           move,
		"The second owner of a name is told who has it, and gets it once it is released":    conflict,
		"A foreign record at the name is reported and left alone":                           foreignRecord,
		"A record of ExternalDNS is reported as such":                                       externalDNS,
		"An alias at the name is reported and left alone":                                   alias,
		"Records below a wildcard are published, as a wildcard owns nothing":                wildcard,
		"A lost answer to the first update does no harm":                                    lostReply,
		"A forged ownership record stops everything":                                        forged,
		"An ownership record that somebody removed is reported, and nothing is overwritten": lost,
		"Of many that claim a name at once exactly one gets it":                             race,
		"Runs that are cut off at any moment leave nothing behind":                          cutOff,
		"As many domains as a Federation may have fit into one update":                      many,
		"A name outside the zone is refused":                                                outside,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			z := fresh(t)
			test(suite{T: t, Zone: z, apex: z.Provider().Apex()})
		})
	}
}

func owner(n int) dns.Owner { return dns.Owner{ID: fmt.Sprintf("owner%03d", n)} }

func (s suite) signer() dns.Signer {
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		s.Fatal(err)
	}
	return signer
}

func (s suite) converge(p dns.Provider, o dns.Owner, units ...dns.Unit) (dns.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return dns.Converge(ctx, p, s.signer(), o, units)
}

// must converge with a provider of its own.
func (s suite) must(o dns.Owner, units ...dns.Unit) dns.Result {
	s.Helper()
	result, err := s.converge(s.Provider(), o, units...)
	if err != nil {
		s.Fatalf("converging: %v", err)
	}
	return result
}

// mustFail with the reason and with the words in the message, leaving the zone as it was.
func (s suite) mustFail(reason string, words []string, o dns.Owner, units ...dns.Unit) {
	s.Helper()
	before := s.Dump()
	_, err := s.converge(s.Provider(), o, units...)
	e, ok := dns.AsError(err)
	if !ok || e.Reason != reason {
		s.Fatalf("converging: got %v, want reason %s", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			s.Errorf("message %q does not contain %q", e.Message, w)
		}
	}
	if diff := cmp.Diff(before, s.Dump()); diff != "" {
		s.Errorf("the zone changed (-before +after):\n%s", diff)
	}
}

// units is what a Federation publishes: service records under the domain, addresses under the host.
func (s suite) units(port uint16, addresses ...string) []dns.Unit {
	srv := dns.SRV{Port: port, Target: "cup1." + s.apex}
	domain := dns.Unit{Anchor: s.apex, Records: []dns.RRset{
		dns.SRVRecord(dns.ServiceXMPPServer, s.apex, 300, srv),
		dns.SRVRecord(dns.ServiceXMPPServer, "conference."+s.apex, 300, srv),
	}}
	return []dns.Unit{domain, host("cup1."+s.apex, addresses...)}
}

// host is a unit of addresses.
func host(name string, addresses ...string) dns.Unit {
	var parsed []netip.Addr
	for _, a := range addresses {
		parsed = append(parsed, netip.MustParseAddr(a))
	}
	return dns.Unit{Anchor: name, Records: dns.AddressRecords(name, 300, parsed)}
}

// published fails unless the zone holds exactly the records of the units.
func (s suite) published(units ...dns.Unit) {
	s.Helper()
	for _, u := range units {
		for _, want := range u.Records {
			sets, err := s.Provider().Get(context.Background(), want.Key())
			if err != nil || len(sets) != 1 || !sets[0].Equal(want) {
				s.Errorf("reading %s: got %v %v, want %v", want.Key(), sets, err, want)
			}
		}
	}
}
