// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	xmppfeddns "github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/rfc2136"
)

// Places of faults.
const (
	bind      = "BIND"
	bindZone  = bind + ", zone"
	onTheWay  = "ours, on the way to " + bind
	otherName = "ours, another name server"
)

// Addresses of name servers that are lame, behind, and not there.
const (
	lameServer   = "127.0.0.9"
	behindServer = "127.0.0.10"
	deadServer   = "127.0.0.11"
)

// noTransfer is the fault for which the second BIND must not have the zone.
const noTransfer = "a server that does not have the zone"

func allFaults() []dnsFault {
	return slices.Concat(credentialFaults(), zoneFaults(), otherServerFaults(), refusals(), forgeries(), silences())
}

// transferred are the zones that the second BIND has.
func transferred(faults []dnsFault, zones map[string]string) map[string]string {
	all := map[string]string{}
	for i := range faults {
		if faults[i].name != noTransfer {
			all[faultApex(i)] = zones[faultApex(i)]
		}
	}
	return all
}

func keyOf(object client.Object) client.ObjectKey { return client.ObjectKeyFromObject(object) }

// provider changes the DNSZone, and waits until the operator has looked at it.
func provider(change func(*faultCase, *v1alpha1.RFC2136Provider)) func(context.Context, *faultCase) error {
	return func(ctx context.Context, c *faultCase) error {
		err := edit(ctx, c.api, c.zone, func(zone *v1alpha1.DNSZone) { change(c, zone.Spec.Provider.RFC2136) })
		if err != nil {
			return err
		}
		seen := until(ctx, faultSeen, func() bool {
			return c.api.Get(ctx, keyOf(c.zone), c.zone) == nil && c.zone.Status.ObservedGeneration == c.zone.Generation
		})
		if !seen {
			return fmt.Errorf("the operator has not looked at DNSZone %s within %s", c.zone.Name, faultSeen)
		}
		return nil
	}
}

var rightProvider = provider(func(c *faultCase, p *v1alpha1.RFC2136Provider) {
	*p = *stageZone(c.apex, c.way.Address).Spec.Provider.RFC2136
	p.TSIG.Algorithm = "hmac-sha256"
})

func credentialFaults() []dnsFault {
	wrong := func(name, reason, says string, change func(*faultCase, *v1alpha1.RFC2136Provider)) dnsFault {
		return dnsFault{name, bind, reason, says, provider(change), rightProvider}
	}
	return []dnsFault{
		wrong("a secret that differs (BADSIG)", v1alpha1.ReasonTSIGBadSignature, "knows TSIG key fed-key but with another secret",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) { p.TSIG.SecretRef.Name = "wrong-tsig" }),
		wrong("a key it does not know (BADKEY)", v1alpha1.ReasonTSIGKeyUnknown, "does not know TSIG key fed-kye",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) { p.TSIG.KeyName = "fed-kye" }),
		wrong("a key with another algorithm", v1alpha1.ReasonTSIGKeyUnknown, "with algorithm hmac-sha512",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) { p.TSIG.Algorithm = "hmac-sha512" }),
		wrong("a Secret that is not there", v1alpha1.ReasonSecretNotFound, "Secret xmppfed-system/no-such-tsig",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) { p.TSIG.SecretRef.Name = "no-such-tsig" }),
		wrong("a key that may not update (REFUSED)", v1alpha1.ReasonUpdateRefused, "grant limited-key subdomain _xmppfed.",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) {
				p.TSIG.KeyName, p.TSIG.SecretRef.Name = dnstest.LimitedKey, "limited-tsig"
			}),
		wrong("a secondary, which takes no updates", v1alpha1.ReasonUpdateRefused, "if the server is a secondary, name the primary",
			func(c *faultCase, p *v1alpha1.RFC2136Provider) { p.Servers[0] = v1alpha1.ServerAddress(c.second) }),
		wrong(noTransfer, v1alpha1.ReasonNotAuthoritative, "is not the primary of zone",
			func(c *faultCase, p *v1alpha1.RFC2136Provider) { p.Servers[0] = v1alpha1.ServerAddress(c.second) }),
		wrong("a port at which nothing listens", v1alpha1.ReasonServerUnavailable, "127.0.0.1:1 refuses connections",
			func(_ *faultCase, p *v1alpha1.RFC2136Provider) { p.Servers[0] = "127.0.0.1:1" }),
	}
}

// moved gives the Federation another host name, whose records are in the way.
func moved(label string) func(context.Context, *faultCase) error {
	return func(ctx context.Context, c *faultCase) error {
		return edit(ctx, c.api, c.fed, func(fed *v1alpha1.Federation) {
			fed.Spec.DNS.Hostname = v1alpha1.DomainName(label + "." + c.apex)
		})
	}
}

// dnsUpdate removes and adds records, written with %[1]s for the apex.
func dnsUpdate(remove, add string) func(context.Context, *faultCase) error {
	lines := func(c *faultCase, line string) []string {
		if line == "" {
			return nil
		}
		return []string{fmt.Sprintf(line, c.apex)}
	}
	return func(ctx context.Context, c *faultCase) error {
		return nsupdate(ctx, c.apex, lines(c, remove), lines(c, add))
	}
}

func zoneFaults() []dnsFault {
	noService := dnsUpdate("_xmpp-server._tcp.%[1]s. 1 SRV 0 0 5269 xmpp.%[1]s.", "")
	return []dnsFault{
		{"a record of somebody else", bindZone, v1alpha1.ReasonRecordExistsUnowned, "exists already and the operator did not write it",
			moved("www"), dnsUpdate("www.%[1]s. 300 A 203.0.113.7", "")},
		{"an alias at the name", bindZone, v1alpha1.ReasonCNAMEConflict, "is an alias (CNAME www.",
			moved("alias"), dnsUpdate("alias.%[1]s. 300 CNAME www.%[1]s.", "")},
		{"a name that is delegated", bindZone, v1alpha1.ReasonNotAuthoritative, "is delegated to other name servers",
			moved("cup.sub"), dnsUpdate("sub.%[1]s. 300 NS ns.elsewhere.example.", "")},
		{"a name of another owner", bindZone, v1alpha1.ReasonOwnershipConflict, "is published by another owner, somebodyelse",
			func(ctx context.Context, c *faultCase) error {
				return errors.Join(c.somebodyElse(ctx, "taken."+c.apex), moved("taken")(ctx, c))
			},
			func(ctx context.Context, c *faultCase) error { return c.somebodyElse(ctx) }},
		{"an ownership record somebody removed", bindZone, v1alpha1.ReasonOwnershipLost, "somebody removed or replaced the ownership record",
			func(ctx context.Context, c *faultCase) error { return c.editOwnership(ctx, "") },
			noService},
		{"an ownership record somebody forged", bindZone, v1alpha1.ReasonOwnershipLost, "its signature does not fit",
			func(ctx context.Context, c *faultCase) error { return c.editOwnership(ctx, "www A") },
			func(ctx context.Context, c *faultCase) error {
				return errors.Join(c.editOwnership(ctx, ""), noService(ctx, c))
			}},
		{"a journal that can't be written (SERVFAIL)", bind, v1alpha1.ReasonServerUnavailable, "answers SERVFAIL",
			func(_ context.Context, c *faultCase) error { return c.named.BlockJournal(c.apex) },
			func(_ context.Context, c *faultCase) error { return c.named.UnblockJournal(c.apex) }},
	}
}

// somebodyElse publishes hosts in the zone, and nothing beyond them.
func (c *faultCase) somebodyElse(ctx context.Context, hosts ...string) error {
	p, err := rfc2136.New(rfc2136.Config{
		Zone: c.apex, Servers: []string{stageServer}, KeyName: dnstest.FedKey, Secret: dnstest.FedSecret, Timeout: faultSeen,
	})
	if err != nil {
		return err
	}
	signer, err := xmppfeddns.NewSigner([]byte("the signing key of another cluster"))
	if err != nil {
		return err
	}
	var units []xmppfeddns.Unit
	for _, host := range hosts {
		records := xmppfeddns.AddressRecords(host, 300, []netip.Addr{netip.MustParseAddr("203.0.113.9")})
		units = append(units, xmppfeddns.Unit{Anchor: host, Records: records})
	}
	_, err = xmppfeddns.Converge(ctx, p, signer, xmppfeddns.Owner{ID: "somebodyelse"}, units)
	return err
}

// editOwnership replaces the ownership record of the domain by one that also lists what is forged, or by none.
func (c *faultCase) editOwnership(ctx context.Context, forged string) error {
	for _, line := range c.named.Dump(c.apex) {
		rr, err := dns.NewRR(line)
		if err != nil {
			return err
		}
		txt, ok := rr.(*dns.TXT)
		if !ok || txt.Hdr.Name != "own._xmppfed."+c.apex+"." {
			continue
		}
		var add []string
		if forged != "" {
			txt.Txt = append(txt.Txt, forged)
			add = append(add, txt.String())
		}
		return nsupdate(ctx, c.apex, []string{line}, add)
	}
	return errors.New("there is no ownership record")
}

func otherServerFaults() []dnsFault {
	with := func(name, address, reason, says string) dnsFault {
		return dnsFault{
			name, otherName, reason, says,
			func(ctx context.Context, c *faultCase) error {
				return errors.Join(dnsUpdate("", "ns2.%[1]s. 300 A "+address)(ctx, c), dnsUpdate("", "%[1]s. 300 NS ns2.%[1]s.")(ctx, c))
			},
			dnsUpdate("%[1]s. 300 NS ns2.%[1]s.", ""),
		}
	}
	return []dnsFault{
		with("a lame name server", lameServer, v1alpha1.ReasonNotAuthoritative, "does not have the zone"),
		with("a name server that is behind", behindServer, v1alpha1.ReasonPropagationPending, "does not serve"),
		with("a name server that is not there", deadServer, v1alpha1.ReasonServerUnavailable, "(127.0.0.11) of zone"),
	}
}

// serveLameServers serves the faulty name servers: one without any zone, one with an old version of every zone.
func serveLameServers(t *testing.T) {
	t.Helper()
	for address, rcode := range map[string]int{lameServer: dns.RcodeRefused, behindServer: dns.RcodeNameError} {
		dnstest.Serve(t, address+":53", func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetRcode(r, rcode)
			m.Authoritative = rcode == dns.RcodeNameError
			_ = w.WriteMsg(m)
		}, nil)
	}
}

// onWay is a fault that happens on the way to the server.
func onWay(name, reason, says string, fault dnstest.Fault) dnsFault {
	return dnsFault{
		name, onTheWay, reason, says,
		func(_ context.Context, c *faultCase) error { c.way.Break(fault); return nil },
		func(_ context.Context, c *faultCase) error { c.way.Heal(); return nil },
	}
}

// refusals are signed answers to updates.
func refusals() []dnsFault {
	refusing := func(rcode int, reason, says string) dnsFault {
		return onWay("updates answered with "+dns.RcodeToString[rcode], reason, says, dnstest.OnUpdates(dnstest.Replies(rcode, "")))
	}
	return []dnsFault{
		refusing(dns.RcodeFormatError, v1alpha1.ReasonUpdateRejected, "can't process an update of zone"),
		refusing(dns.RcodeNotImplemented, v1alpha1.ReasonUpdateRejected, "(NOTIMP)"),
		refusing(dns.RcodeServerFailure, v1alpha1.ReasonServerUnavailable, "answers SERVFAIL"),
		refusing(dns.RcodeNotAuth, v1alpha1.ReasonNotAuthoritative, "is not the primary of zone"),
		refusing(dns.RcodeNotZone, v1alpha1.ReasonNameOutsideZone, "says that a name does not lie in its zone"),
		refusing(dns.RcodeYXDomain, v1alpha1.ReasonOwnershipLost, "another operator with the same identity"),
		refusing(dns.RcodeYXRrset, v1alpha1.ReasonOwnershipLost, "change while the operator writes"),
		refusing(dns.RcodeNXRrset, v1alpha1.ReasonOwnershipLost, "change while the operator writes"),
		refusing(dns.RcodeRefused, v1alpha1.ReasonUpdateRefused, "refuses key fed-key"),
		onWay("updates refused with a reason (RFC 8914)", v1alpha1.ReasonUpdateRefused, "the server says: Prohibited frozen until Monday",
			dnstest.OnUpdates(dnstest.Replies(dns.RcodeRefused, "frozen until Monday"))),
		onWay("updates accepted but not done", v1alpha1.ReasonNotApplied, "accepted the update of zone",
			dnstest.OnUpdates(dnstest.Replies(dns.RcodeSuccess, ""))),
		onWay("a clock hours ahead (BADTIME)", v1alpha1.ReasonClockSkew, "the clocks differ by hours (BADTIME)",
			dnstest.RejectsSignature(dns.RcodeBadTime, 3*time.Hour)),
		onWay("a longer signature demanded (BADTRUNC)", v1alpha1.ReasonTSIGBadSignature, "demands a longer signature",
			dnstest.RejectsSignature(dns.RcodeBadTrunc, 0)),
	}
}

// forgeries are answers that can't be believed.
func forgeries() []dnsFault {
	forged := func(name, says string, fault dnstest.Fault) dnsFault {
		return onWay(name, v1alpha1.ReasonUnauthenticatedResponse, says, fault)
	}
	return []dnsFault{
		forged("answers without signature", "an unsigned answer", dnstest.Forges("")),
		forged("answers to updates without signature", "an unsigned answer", dnstest.OnUpdates(dnstest.Forges(""))),
		forged("answers signed by somebody else", "an answer with a wrong signature", dnstest.Forges(dnstest.ForeignSecret)),
		forged("answers changed on the way", "an answer with a wrong signature",
			dnstest.Tampers(func(answer []byte) { answer[3] ^= dns.RcodeNameError })),
		forged("answers to other questions", "an answer to another question", dnstest.Tampers(func(answer []byte) { answer[0]++ })),
	}
}

// silences are those of a network or a server that is not well.
func silences() []dnsFault {
	unavailable := func(name, says string, fault dnstest.Fault) dnsFault {
		return onWay(name, v1alpha1.ReasonServerUnavailable, says, fault)
	}
	return []dnsFault{
		unavailable("no answer", "does not answer in time", dnstest.StaysSilent),
		unavailable("connections reset", "closes the connection without an answer", dnstest.Resets),
		unavailable("half an answer", "closes the connection without an answer", dnstest.BreaksOff),
		unavailable("nonsense", "can't be talked to", dnstest.TalksNonsense),
		unavailable("updates never answered", "the answer to an update was lost", dnstest.OnUpdates(dnstest.StaysSilent)),
		onWay("answers to updates lost, the updates not", v1alpha1.ReasonPublished, "served by every authoritative server",
			dnstest.OnUpdates(dnstest.LosesAnswer)),
	}
}

// serverStopped is the real server stopped and started again. It comes last and alone, as all zones are there.
func serverStopped() dnsFault {
	return dnsFault{
		"the server stopped", bind, v1alpha1.ReasonServerUnavailable, "refuses connections",
		provider(func(c *faultCase, p *v1alpha1.RFC2136Provider) {
			c.named.Stop()
			p.Servers[0] = stageServer
		}),
		func(_ context.Context, c *faultCase) error { c.named.Start(); return nil },
	}
}
