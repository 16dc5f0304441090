// SPDX-License-Identifier: Apache-2.0

package dns_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
)

// A record in the way of a living owner comes with the way that has no gap, and with whose turn it is there.
func TestAWayWithoutAGapIsOffered(t *testing.T) {
	unit := domainAt("good.cupdomain.com", 5269)
	service, ownership := unit.Records[0].Key(), dns.Key{Name: "own._xmppfed.good.cupdomain.com.", Type: dns.TypeTXT}
	named := unit
	named.NotAllowed = []dns.Key{service}
	const (
		name = "name it in spec.dns.takeover of the Federation, for which spec.takeover of the DNSZone has to be Allow"
		turn = "it is named in spec.dns.takeover, but the DNSZone for cupdomain.com does not allow takeovers: the platform team sets " +
			"spec.takeover of the DNSZone to Allow"
	)
	foreign := func(m *dnstest.Memory) { m.Edit(dns.Change{Put: domainAt("good.cupdomain.com", 1).Records}) }
	lost := func(m *dnstest.Memory) {
		convergeAs(t, m, owner, unit)
		m.Edit(dns.Change{Drop: []dns.Key{ownership}})
	}
	for what, test := range map[string]struct {
		before       func(*dnstest.Memory)
		unit         dns.Unit
		reason, want string
	}{
		"a foreign record":                        {foreign, unit, v1alpha1.ReasonRecordExistsUnowned, name},
		"a foreign record that is named":          {foreign, named, v1alpha1.ReasonRecordExistsUnowned, turn},
		"one without ownership record":            {lost, unit, v1alpha1.ReasonOwnershipLost, name},
		"a named one without ownership record":    {lost, named, v1alpha1.ReasonOwnershipLost, turn},
		"a shared one without ownership record":   {lost, sharedAt("good.cupdomain.com", 5270), v1alpha1.ReasonOwnershipLost, name},
		"a foreign record in the way of a shared": {foreign, sharedAt("good.cupdomain.com", 5270), v1alpha1.ReasonRecordExistsUnowned, name},
	} {
		t.Run(what, func(t *testing.T) {
			m := dnstest.NewMemory("cupdomain.com")
			convergeAs(t, m, owner, hostUnit("203.0.113.130"))
			test.before(m)
			why := convergeAs(t, m, owner, hostUnit("203.0.113.130"), test.unit).Refused["good.cupdomain.com."]
			if why == nil || why.Reason != test.reason || !strings.Contains(why.Message, test.want) {
				t.Fatalf("got %v, want %s with %q", why, test.reason, test.want)
			}
			if cut := strings.Index(why.Message, "update delete"); cut >= 0 && cut < strings.Index(why.Message, "takeover") {
				t.Errorf("the way with a gap comes first: %s", why.Message)
			}
		})
	}
}

// unbroken counts the changes that drop a record set.
type unbroken struct {
	*dnstest.Memory
	key   dns.Key
	drops int
}

func (u *unbroken) Apply(ctx context.Context, c dns.Change) error {
	if slices.Contains(c.Drop, u.key) {
		u.drops++
	}
	return u.Memory.Apply(ctx, c)
}

// What is lost, because its ownership record went or the key did, is taken over as the messages say, and answers all the time.
func TestWhatIsLostIsTakenOverWithoutAGap(t *testing.T) {
	unit := domainAt("good.cupdomain.com", 5269)
	service, ownership := unit.Records[0].Key(), dns.Key{Name: "own._xmppfed.good.cupdomain.com.", Type: dns.TypeTXT}
	index := dns.Key{Name: owner.ID + "._xmppfed.cupdomain.com.", Type: dns.TypeTXT}
	another, err := dns.NewSigner([]byte("another key for tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		signer dns.Signer
		drop   []dns.Key
	}{
		"the ownership record": {signer(t), []dns.Key{ownership}},
		"the key":              {another, []dns.Key{ownership, index}},
	} {
		t.Run(what, func(t *testing.T) {
			p := &unbroken{Memory: dnstest.NewMemory("cupdomain.com"), key: service}
			convergeAs(t, p, owner, unit)
			if len(test.drop) > 1 {
				_, err := dns.Converge(t.Context(), p, test.signer, owner, []dns.Unit{unit})
				e, ok := dns.AsError(err)
				if !ok || !strings.Contains(e.Message, dns.Removal(ownership)) || strings.Contains(e.Message, dns.Removal(service)) {
					t.Fatalf("got %v, want that ownership records alone are to be removed", err)
				}
			}
			p.Edit(dns.Change{Drop: test.drop})
			named := unit
			named.Takeover = []dns.Key{service}
			r, err := dns.Converge(t.Context(), p, test.signer, owner, []dns.Unit{named})
			if err != nil || len(r.Refused) > 0 || !slices.Equal(r.Adopted, []dns.Key{service}) || p.drops > 0 || !holds(p.Memory, unit) {
				t.Errorf("got %+v, %v and %d drops, want it taken over:\n%s", r, err, p.drops, strings.Join(p.Dump(), "\n"))
			}
		})
	}
}

// A name whose ownership record a key signed that is lost, beside an index that today's key signed.
func TestAForgedOwnershipRecordAloneIsToBeRemoved(t *testing.T) {
	m := dnstest.NewMemory("cupdomain.com")
	m.Edit(dns.Change{Put: []dns.RRset{{Name: "own._xmppfed." + bad, Type: dns.TypeTXT, TTL: 60,
		Data: []dns.Data{dns.TXT{"v=xf1;o=owner001;e=1;k=00000000;h=" + strings.Repeat("0", 32), "_xmpp-server._tcp.bad SRV"}}}}})
	why := convergeAs(t, m, owner, domainAt(bad, 5269)).Refused[bad]
	if why == nil || !strings.Contains(why.Message, "spec.dns.takeover") || strings.Contains(why.Message, "update delete _xmpp-server") {
		t.Errorf("got %v, want that its ownership record alone is removed", why)
	}
}
