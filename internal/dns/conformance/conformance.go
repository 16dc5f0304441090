// SPDX-License-Identifier: Apache-2.0

// Package conformance is the test suite of providers: what package dns promises must hold with each of them, against
// the real thing.
package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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

// Subject is a provider that is tested.
type Subject struct {
	// Name heads its column of the table.
	Name string
	// Fresh gives each test a zone of its own.
	Fresh func(t *testing.T) Zone
	// Exceptions are cases that can't hold with this provider, by name, with the reason. They are not run.
	Exceptions map[string]string
}

// kind of a case: what it asks of a provider.
type kind int

const (
	// written cases hold with every provider that writes.
	written kind = iota
	// guarded cases hold with every provider that writes, but only one whose server checks prerequisites and applies
	// changes as a whole guarantees it while others write too.
	guarded
	// contested cases have several writers or interruptions, so they are only for providers that guarantee something.
	contested
	// undivided cases hold with every provider whose changes are applied as a whole.
	undivided
	// told cases are for providers with which people write.
	told
	// every provider.
	every
)

// testCase is a promise of package dns.
type testCase struct {
	name string
	kind kind
	run  func(suite)
}

func testCases() []testCase {
	return []testCase{
		{"Records are created, changed and removed, and foreign records stay byte for byte", written, lifecycle},
		{"TLSA records of several keys are published, and the TTL of several records changes", written, keys},
		{"Nothing is written when the zone is as wanted", written, idle},
		{"A record that somebody changed or removed is put back", written, drift},
		{"What is left out of the units is released without being named", written, releaseUnnamed},
		{"A record moves from one anchor to another in one update", guarded, move},
		{"The second owner of a name is told who has it, and gets it once it is released", guarded, conflict},
		{"A foreign record at the name is reported and left alone", guarded, foreignRecord},
		{"A record of ExternalDNS is reported as such", guarded, externalDNS},
		{"An alias at the name is reported and left alone", guarded, alias},
		{"Records below a wildcard are published, as a wildcard owns nothing", guarded, wildcard},
		{"Records that exist are taken over where they are named, and no others", guarded, takeover},
		{"Records of another owner or of ExternalDNS are not taken over", guarded, takeoverRefused},
		{"A lost answer to the first update does no harm", guarded, lostReply},
		{"A forged ownership record is left alone with all that it lists", guarded, forged},
		{"An ownership record that somebody removed is reported, and nothing is overwritten", guarded, lost},
		{"A prerequisite of any kind that does not hold keeps everything as it was", guarded, prerequisites},
		{"A change of which one record can't be written changes nothing", undivided, whole},
		{"Of many that claim a name at once exactly one gets it", contested, race},
		{"Runs that are cut off at any moment leave nothing behind", contested, cutOff},
		{"Names go to another owner in one update, and never stop answering", contested, transfer},
		{"An offer can be withdrawn, and names handed back", contested, transferWithdrawn},
		{"A transfer that is cut off at any moment leaves no gap and nothing behind", contested, transferCutOff},
		{"Owners who share a name each add, change and remove their own target only", contested, shared},
		{"A name is shared by all who have it or by nobody", contested, sharedAndAlone},
		{"Of a shared name each puts back its own target, and what nobody owns stays", contested, sharedDrift},
		{"Eight who share a name and write at once all get their turn", contested, sharedRace},
		{"Those who share a name and are cut off at any moment leave nothing behind", contested, sharedCutOff},
		{"One name in the way keeps no other from being claimed, changed and released", guarded, oneBad},
		{"Owners who swap their names both get them", guarded, swap},
		{"As many domains as a Federation may have fit into one update", written, many},
		{"A change too large for one message is made in several", written, large},
		{"A name outside the zone is refused", every, outside},
		{"Exactly the records that are missing or differ are told", told, advice},
		{"An alias at the name is told", told, adviceAlias},
	}
}

// Run tests a provider.
func (t *Table) Run(tt *testing.T, subject Subject) {
	tt.Helper()
	for _, c := range testCases() {
		t.Case(tt, subject.Name, c.name, func(tt *testing.T) Result {
			if why, ok := subject.Exceptions[c.name]; ok {
				return NotApplicable(why)
			}
			z := subject.Fresh(tt)
			result := c.kind.result(z.Provider().Capabilities())
			if result.Applies() {
				c.run(suite{T: tt, Zone: z, apex: z.Provider().Apex()})
			}
			return result
		})
	}
}

// result of a case that passes with a provider.
func (k kind) result(c dns.Capabilities) Result {
	switch {
	case k == every || k == written && c.Writes || k == told && !c.Writes:
		return OK
	case k == told:
		return NotApplicable("the operator writes the records itself")
	case !c.Writes:
		return NotApplicable("people write the records, the operator only compares")
	case k == undivided && !c.Atomic:
		return NotApplicable("a change takes several steps; what an interrupted one leaves undone is done by the next run")
	case !c.BestEffort() || k == undivided:
		return OK
	case k == contested:
		return NotApplicable("without prerequisites or atomic changes nothing is guaranteed to several writers, or after an interruption")
	default:
		return BestEffort
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
	return allOrNothing(dns.Converge(ctx, p, s.signer(), o, units))
}

// allOrNothing makes what is wrong with one anchor the error.
func allOrNothing(r dns.Result, err error) (dns.Result, error) {
	if err == nil {
		err = r.Err()
	}
	return r, err
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

// mustFail with the reason and with the words in the message, leaving all that stands as it was.
func (s suite) mustFail(reason string, words []string, o dns.Owner, units ...dns.Unit) {
	s.Helper()
	_ = s.failure(reason, words, o, units...) // it has been looked at
}

// failure is what mustFail has looked at.
func (s suite) failure(reason string, words []string, o dns.Owner, units ...dns.Unit) *dns.Error {
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
	s.stands(before, o)
	return e
}

// stands fails unless all that stood before still does, save what keeps account of what the owner has. Names that are not in the
// way of anything may have come meanwhile.
func (s suite) stands(before []string, o dns.Owner) {
	s.Helper()
	after := s.Dump()
	gone := slices.DeleteFunc(slices.Clone(before), func(line string) bool {
		return slices.Contains(after, line) || strings.HasPrefix(line, o.ID+"._xmppfed.")
	})
	if len(gone) > 0 {
		s.Errorf("what stood is gone:\n%s\nthe zone has now:\n%s", strings.Join(gone, "\n"), strings.Join(after, "\n"))
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
	var keys []dns.Key
	for _, u := range units {
		for _, want := range u.Records {
			keys = append(keys, want.Key())
		}
	}
	sets, err := s.Provider().Get(context.Background(), keys...)
	if err != nil {
		s.Errorf("reading %v: %v", keys, err)
	}
	for _, u := range units {
		for _, want := range u.Records {
			if !slices.ContainsFunc(sets, want.Equal) {
				s.Errorf("%s is not %v", want.Key(), want)
			}
		}
	}
}
