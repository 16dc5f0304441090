// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

var (
	owner = dns.Owner{ID: "owner001"}
	ownA  = dns.Key{Name: "own._xmppfed.cup1.cupdomain.com.", Type: dns.TypeTXT}
)

func hostUnit(address string) dns.Unit {
	return dns.Unit{Anchor: "cup1.cupdomain.com", Records: dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr(address)})}
}

func converge(t *testing.T, p dns.Provider, units ...dns.Unit) (dns.Result, error) {
	t.Helper()
	signer, err := dns.NewSigner([]byte("a key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	return allOrNothing(dns.Converge(context.Background(), p, signer, owner, units))
}

// allOrNothing makes what is wrong with one anchor the error.
func allOrNothing(r dns.Result, err error) (dns.Result, error) {
	if err == nil {
		err = r.Err()
	}
	return r, err
}

// want fails unless err has the reason.
func want(t *testing.T, err error, reason string, permanent bool) *dns.Error {
	t.Helper()
	e, ok := dns.AsError(err)
	if !ok || e.Reason != reason || e.Permanent != permanent {
		t.Fatalf("got %+v, want reason %s, permanent %t", err, reason, permanent)
	}
	return e
}

func TestAnotherInstanceThatIsFasterDoesNoHarm(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.BeforeUpdate(func() {
		if _, err := converge(t, m, hostUnit("203.0.113.130")); err != nil {
			t.Error(err)
		}
	})
	r, err := converge(t, m, hostUnit("203.0.113.130"))
	if err != nil || r.Changed || m.Updates() != 1 {
		t.Errorf("got %v %v after %d updates, want that the second instance finds its work done", r, err, m.Updates())
	}
}

func TestOwnershipRecordsThatKeepChangingEndTheTries(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	if _, err := converge(t, m, hostUnit("203.0.113.130")); err != nil {
		t.Fatal(err)
	}
	refusing := &refusingProvider{Memory: m}
	_, err := converge(t, refusing, hostUnit("203.0.113.131"))
	want(t, err, v1alpha1.ReasonOwnershipLost, false)
	if refusing.updates != 3 {
		t.Errorf("got %d updates, want 3", refusing.updates)
	}
}

func TestARecordThatTheServerHidesIsReported(t *testing.T) {
	_, err := converge(t, &refusingProvider{Memory: dnstest.NewMemory("cupdomain.com")}, hostUnit("203.0.113.131"))
	e := want(t, err, v1alpha1.ReasonRecordExistsUnowned, false)
	if !strings.Contains(e.Message, "does not show it") {
		t.Errorf("got message %q", e.Message)
	}
}

// refusingProvider says that prerequisites don't hold, whatever they are.
type refusingProvider struct {
	*dnstest.Memory
	updates int
}

func (p *refusingProvider) Apply(context.Context, dns.Change) error {
	p.updates++
	return dns.ErrPrerequisite
}

func TestAnOwnershipRecordThatGoesWhileWeWriteIsNoticed(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	if _, err := converge(t, m, hostUnit("203.0.113.130")); err != nil {
		t.Fatal(err)
	}
	m.BeforeUpdate(func() { m.Edit(dns.Change{Drop: []dns.Key{ownA}}) })
	_, err := converge(t, m, hostUnit("203.0.113.131"))
	e := want(t, err, v1alpha1.ReasonOwnershipLost, true)
	if !strings.Contains(e.Message, "TXT own._xmppfed.cup1.cupdomain.com") || !strings.Contains(e.Message, "update delete cup1.cupdomain.com. A") {
		t.Errorf("message %q lacks the ownership record or the way out", e.Message)
	}
}

func TestAnswersThatKeepGettingLostAreReportedAsTemporary(t *testing.T) {
	lossy := &lossyProvider{Memory: dnstest.NewMemory("cupdomain.com")}
	_, err := converge(t, lossy, hostUnit("203.0.113.130"))
	e := want(t, err, v1alpha1.ReasonServerUnavailable, false)
	if !e.Unsettled || lossy.updates != 3 {
		t.Errorf("got %+v after %d updates, want three tries whose end nobody knows", e, lossy.updates)
	}
}

// lossyProvider loses updates before they are applied, and can't tell.
type lossyProvider struct {
	*dnstest.Memory
	updates int
}

func (p *lossyProvider) Apply(context.Context, dns.Change) error {
	p.updates++
	return &dns.Error{Reason: v1alpha1.ReasonServerUnavailable, Message: "lost", Unsettled: true}
}

func TestAnUpdateThatIsAcceptedButNotServedIsReported(t *testing.T) {
	_, err := converge(t, ignoringProvider{dnstest.NewMemory("cupdomain.com")}, hostUnit("203.0.113.130"))
	want(t, err, v1alpha1.ReasonNotApplied, false)
}

// ignoringProvider accepts updates without applying them.
type ignoringProvider struct{ *dnstest.Memory }

func (ignoringProvider) Apply(context.Context, dns.Change) error { return nil }

func TestErrorsOfTheServerArePassedOn(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.Fail(&dns.Error{Reason: v1alpha1.ReasonClockSkew, Message: "skewed", Permanent: true, Err: errors.New("cause")})
	_, err := converge(t, m, hostUnit("203.0.113.130"))
	e := want(t, err, v1alpha1.ReasonClockSkew, true)
	if e.Error() != "skewed: cause" || e.Message != "skewed" {
		t.Errorf("got error %q and message %q, want the cause in the former only", e.Error(), e.Message)
	}
}

func TestUnitsWithTheSameAnchorAreMerged(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	second := dns.Unit{Anchor: "CUP1.cupdomain.com.", Records: dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("2001:db8::5")})}
	if _, err := converge(t, m, hostUnit("203.0.113.130"), second, hostUnit("203.0.113.130")); err != nil {
		t.Fatal(err)
	}
	if got := len(m.Dump()); got != 4 {
		t.Errorf("got %d records, want A, AAAA, one ownership record and the index:\n%s", got, strings.Join(m.Dump(), "\n"))
	}
}

func TestUnitsThatContradictEachOtherAreRefused(t *testing.T) {
	tests := map[string][]dns.Unit{
		"the same record with other data":       {hostUnit("203.0.113.130"), hostUnit("203.0.113.131")},
		"the same record under two anchors":     {hostUnit("203.0.113.130"), {Anchor: "cupdomain.com", Records: hostUnit("203.0.113.130").Records}},
		"a record without data":                 {{Anchor: "cupdomain.com", Records: []dns.RRset{{Name: "cupdomain.com.", Type: dns.TypeA}}}},
		"a type that the operator never writes": {{Anchor: "cupdomain.com", Records: []dns.RRset{{Name: "cupdomain.com.", Type: dns.TypeNS, Data: []dns.Data{dns.Alias("a.")}}}}},
		"a name that is not in canonical form":  {{Anchor: "cupdomain.com", Records: []dns.RRset{{Name: "CUP1.cupdomain.com", Type: dns.TypeA, Data: hostUnit("203.0.113.130").Records[0].Data}}}},
	}
	for what, units := range tests {
		m := dnstest.NewMemory("cupdomain.com")
		if _, err := converge(t, m, units...); err == nil || m.Updates() != 0 {
			t.Errorf("%s: got %v and %d updates, want an error and none", what, err, m.Updates())
		}
	}
}

func TestSixtyFourDomainsAreOneUpdateAndOneRead(t *testing.T) {
	m := &countingProvider{Memory: dnstest.NewMemory("cupdomain.com")}
	var units []dns.Unit
	for i := range 64 {
		domain := fmt.Sprintf("d%02d.cupdomain.com", i)
		units = append(units, dns.Unit{Anchor: domain, Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, domain, 300, dns.SRV{Port: 5269, Target: "cup1.cupdomain.com"}),
		}})
	}
	if _, err := converge(t, m, units...); err != nil || m.Updates() != 1 {
		t.Fatalf("got %v and %d updates, want one", err, m.Updates())
	}
	m.reads = 0
	if _, err := converge(t, m, units...); err != nil || m.reads != 1 || m.Updates() != 1 {
		t.Errorf("got %v, %d reads and %d updates in all, want one each", err, m.reads, m.Updates())
	}
}

// countingProvider counts reads.
type countingProvider struct {
	*dnstest.Memory
	reads int
}

func (p *countingProvider) Get(ctx context.Context, keys ...dns.Key) ([]dns.RRset, error) {
	p.reads++
	return p.Memory.Get(ctx, keys...)
}

func TestOwnersNeedAnIDThatFitsIntoAName(t *testing.T) {
	signer, err := dns.NewSigner([]byte("a key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "short", "Capitals1", "with.dots1", strings.Repeat("a", 41)} {
		if _, err := dns.Converge(context.Background(), dnstest.NewMemory("cupdomain.com"), signer, dns.Owner{ID: id}, nil); err == nil {
			t.Errorf("owner %q: want an error", id)
		}
	}
}

func TestARecordThatChangesWhileItIsTakenOverIsReadAgain(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	address := func(a string) dns.Change { return dns.Change{Put: hostUnit(a).Records} }
	m.Edit(address("203.0.113.1"))
	edits := 0
	racing := &beforeApply{Memory: m, do: func() {
		if edits++; edits == 2 {
			m.Edit(address("203.0.113.2"))
		}
	}}
	unit := hostUnit("203.0.113.130")
	unit.Takeover = []dns.Key{unit.Records[0].Key()}
	r, err := converge(t, racing, unit)
	if err != nil || len(r.Adopted) != 1 || edits != 3 || m.Updates() != 1 {
		t.Errorf("got %+v, %v after %d tries, want that the third takes over what was changed before the second", r, err, edits)
	}
}

// beforeApply does something before each update.
type beforeApply struct {
	*dnstest.Memory
	do func()
}

func (p *beforeApply) Apply(ctx context.Context, c dns.Change) error {
	p.do()
	return p.Memory.Apply(ctx, c)
}

func TestAdviceNamesAFewRecordsAndCountsTheRest(t *testing.T) {
	var units []dns.Unit
	for i := range 8 {
		units = append(units, dns.Unit{Anchor: "cupdomain.com", Records: dns.AddressRecords(fmt.Sprintf("h%d.cupdomain.com", i), 300,
			[]netip.Addr{netip.MustParseAddr("203.0.113.130")})})
	}
	r, err := converge(t, adviser{dnstest.NewMemory("cupdomain.com")}, units...)
	e := want(t, err, v1alpha1.ReasonRecordsToCreate, true)
	if len(e.Records) != 8 || !strings.Contains(e.Message, "h5.cupdomain.com. 300 IN A 203.0.113.130 and 2 more") || r.Changed {
		t.Errorf("got %+v and message %q, want eight records of which two are only counted", r, e.Message)
	}
}

func TestLeftoversAreWhatStandsAsItWas(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	stands, changed, gone := hostUnit("203.0.113.130").Records[0], hostUnit("203.0.113.130").Records[0], hostUnit("203.0.113.130").Records[0]
	changed.Name, gone.Name = "cup2.cupdomain.com.", "cup3.cupdomain.com."
	other := changed
	other.Data = hostUnit("203.0.113.9").Records[0].Data
	stands.TTL = 60
	m.Edit(dns.Change{Put: []dns.RRset{stands, other}})
	err := dns.Leftovers(context.Background(), adviser{m}, []dns.RRset{hostUnit("203.0.113.130").Records[0], changed, gone})
	e := want(t, err, v1alpha1.ReasonRecordsToRemove, true)
	if len(e.Records) != 1 || !strings.Contains(e.Message, "removes cup1.cupdomain.com. 300 IN A 203.0.113.130;") {
		t.Errorf("got %v and message %q, want the one that stands as it was", e.Records, e.Message)
	}
	m.Edit(dns.Change{Drop: []dns.Key{stands.Key()}})
	if err := dns.Leftovers(context.Background(), adviser{m}, []dns.RRset{stands, changed, gone}); err != nil {
		t.Errorf("after it was removed: %v", err)
	}
}

// adviser leaves writing to people.
type adviser struct{ *dnstest.Memory }

func (adviser) Capabilities() dns.Capabilities { return dns.Capabilities{} }

func TestBestEffortIsWhatLacksAGuarantee(t *testing.T) {
	tests := map[dns.Capabilities]bool{
		{Writes: true, Prerequisites: true, Atomic: true}: false,
		{Writes: true, Prerequisites: true}:               true,
		{Writes: true, Atomic: true}:                      true,
		{}:                                                false,
	}
	for capabilities, bestEffort := range tests {
		if got := capabilities.BestEffort(); got != bestEffort {
			t.Errorf("%+v: best effort is %t, want %t", capabilities, got, bestEffort)
		}
	}
}
