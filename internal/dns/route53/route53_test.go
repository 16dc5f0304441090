// SPDX-License-Identifier: Apache-2.0

package route53_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
	"github.com/xmppfed/xmppfed/internal/dns/route53"
)

// serve a hosted zone with a local Route 53.
func serve(t *testing.T) (*dnstest.Memory, *dnstest.Route53) {
	t.Helper()
	zone := dnstest.NewMemory("cupdomain.com")
	return zone, dnstest.ServeRoute53(t, zone)
}

func newProvider(t *testing.T, url string, change func(*route53.Config)) *route53.Provider {
	t.Helper()
	reader, err := public.New(public.Config{Zone: "cupdomain.com", Resolvers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := route53.Config{
		Reader: reader, HostedZoneID: dnstest.Route53ZoneID, Region: dnstest.Route53Region, Endpoint: url, Backoff: time.Millisecond,
		AccessKeyID: dnstest.Route53KeyID, SecretAccessKey: dnstest.Route53Secret,
	}
	if change != nil {
		change(&cfg)
	}
	p, err := route53.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func units(address string, takeover bool) []dns.Unit {
	units := dnstest.Federation("cup1.cupdomain.com", address, 300)
	if takeover {
		units[1].Takeover = []dns.Key{units[1].Records[0].Key()}
	}
	return units
}

func TestEveryAnswerOfRoute53HasItsReason(t *testing.T) {
	tests := map[string]struct {
		failure   dnstest.Route53Failure
		reason    string
		permanent bool
		words     string
	}{
		"No right to write": {dnstest.Route53Failure{Operation: "POST", Status: 403, Code: "AccessDenied",
			Message: "User: arn:aws:iam::1:user/x is not authorized to perform: route53:ChangeResourceRecordSets"},
			v1alpha1.ReasonUpdateRefused, true, "may not do route53:ChangeResourceRecordSets"},
		"No right to list": {dnstest.Route53Failure{Operation: "rrset", Status: 403, Code: "AccessDenied"},
			v1alpha1.ReasonUpdateRefused, true, "may not do route53:ListResourceRecordSets"},
		"A key that is gone": {dnstest.Route53Failure{Operation: "rrset", Status: 403, Code: "InvalidClientTokenId"},
			v1alpha1.ReasonCredentialsRejected, true, "puts a valid access key into the Secret"},
		"A token that has expired": {dnstest.Route53Failure{Operation: "rrset", Status: 403, Code: "ExpiredToken"},
			v1alpha1.ReasonCredentialsRejected, true, "ExpiredToken"},
		"A clock that is wrong": {dnstest.Route53Failure{Operation: "rrset", Status: 403, Code: "SignatureDoesNotMatch",
			Message: "Signature expired: 20261122T000000Z is now earlier than 20261122T001500Z"},
			v1alpha1.ReasonClockSkew, true, "sets its clock"},
		"A zone that is gone": {dnstest.Route53Failure{Operation: "rrset", Status: 404, Code: "NoSuchHostedZone"},
			v1alpha1.ReasonNotAuthoritative, true, "no hosted zone with the ID given for cupdomain.com"},
		"A batch that is not understood": {dnstest.Route53Failure{Operation: "POST", Status: 400, Code: "InvalidChangeBatch",
			Message: "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address']"},
			v1alpha1.ReasonUpdateRejected, true, "ARRDATAIllegalIPv4Address"},
		"A request that is not understood": {dnstest.Route53Failure{Operation: "rrset", Status: 400, Code: "InvalidInput", Message: "what?"},
			v1alpha1.ReasonUpdateRejected, true, "InvalidInput: what?"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			zone, server := serve(t)
			server.FailNext(test.failure)
			if test.failure.Operation == "POST" {
				server.FailNext(test.failure) // it is asked about one name alone
			}
			p := newProvider(t, server.URL, nil)
			_, err := dnstest.Converge(t, p, units("203.0.113.130", false)...)
			dnstest.WantError(t, err, test.reason, test.permanent, test.words, "cupdomain.com")
			if left := zone.Dump(); len(left) > 0 {
				t.Errorf("the zone has %v", left)
			}
			if _, err := dnstest.Converge(t, p, units("203.0.113.130", false)...); err != nil {
				t.Errorf("once the cause is gone: %v", err)
			}
		})
	}
}

func TestRequestsOfAnAccountWaitForTheirTurn(t *testing.T) {
	_, server := serve(t)
	limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
	shared := func(c *route53.Config) { c.Limiter = limiter }
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}
	if _, err := newProvider(t, server.URL, shared).Get(ctx, key); err != nil {
		t.Errorf("the first request: %v", err)
	}
	_, err := newProvider(t, server.URL, shared).Get(ctx, key)
	dnstest.WantError(t, err, v1alpha1.ReasonRateLimited, false, "five per second", "cupdomain.com")
	if !errors.Is(err, dns.ErrNoTurn) {
		t.Errorf("got %v, want that the request had no turn", err)
	}
	if sent := server.Requests(); len(sent) != 1 {
		t.Errorf("%v were sent, want one request", sent)
	}
}

func TestWhatIsThrottledIsTriedAgain(t *testing.T) {
	zone, server := serve(t)
	server.FailNext(
		dnstest.Route53Failure{Operation: "rrset", Status: 400, Code: "Throttling", Message: "Rate exceeded"},
		dnstest.Route53Failure{Operation: "POST", Status: 400, Code: "PriorRequestNotComplete"},
		dnstest.Route53Failure{Operation: "POST", Status: 400, Code: "Throttling", Message: "Rate exceeded"},
	)
	p := newProvider(t, server.URL, nil)
	if r, err := dnstest.Converge(t, p, units("203.0.113.130", false)...); err != nil || !r.Changed || len(zone.Dump()) != 5 {
		t.Errorf("got %+v %v and %v, want the records and their ownership records", r, err, zone.Dump())
	}
	for range 5 {
		server.FailNext(dnstest.Route53Failure{Operation: "rrset", Status: 400, Code: "Throttling", Message: "Rate exceeded"})
	}
	_, err := p.Get(t.Context(), dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA})
	dnstest.WantError(t, err, v1alpha1.ReasonRateLimited, false, "five per second")
}

func TestAChangeThatMayHaveBeenMadeIsNotSentAgainBlindly(t *testing.T) {
	_, server := serve(t)
	p := newProvider(t, server.URL, nil)
	server.FailNext(dnstest.Route53Failure{Operation: "POST", Status: 500, Code: "InternalError"})
	err := p.Apply(t.Context(), dns.Change{Put: units("203.0.113.130", false)[1].Records})
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "answers with an internal error")
	if e, _ := dns.AsError(err); !e.Unsettled {
		t.Error("the change counts as not made")
	}
	posts := func() int {
		return len(slices.DeleteFunc(server.Requests(), func(r string) bool { return !strings.HasPrefix(r, "POST") }))
	}
	if posts() != 1 {
		t.Errorf("the change was sent %d times", posts())
	}
	server.LoseAnswers(1)
	err = p.Apply(t.Context(), dns.Change{Put: units("203.0.113.130", false)[1].Records})
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "closes the connection")
	if posts() != 2 {
		t.Errorf("the changes were sent %d times, want each once", posts())
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	_, server := serve(t)
	for name, change := range map[string]func(*route53.Config){
		"another key":    func(c *route53.Config) { c.AccessKeyID = "AKIAANOTHER" },
		"another secret": func(c *route53.Config) { c.SecretAccessKey = "another" },
		"another region": func(c *route53.Config) { c.Region = "us-east-1" },
	} {
		t.Run(name, func(t *testing.T) {
			err := newProvider(t, server.URL, change).Probe(t.Context())
			dnstest.WantError(t, err, v1alpha1.ReasonCredentialsRejected, true, "does not accept the AWS credentials")
		})
	}
	if _, err := route53.New(route53.Config{AccessKeyID: "AKIA"}); err == nil {
		t.Error("half an access key is taken")
	}
}

func TestWithoutASecretTheCredentialsOfThePodAreUsed(t *testing.T) {
	// Nothing outside of this process is to be asked or read.
	for name, value := range map[string]string{
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
	} {
		t.Setenv(name, value)
	}
	_, server := serve(t)
	ambient := func(c *route53.Config) { c.AccessKeyID, c.SecretAccessKey = "", "" }
	err := newProvider(t, server.URL, ambient).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonCredentialsRejected, false, "there are no AWS credentials for zone cupdomain.com")
	if n := len(server.Requests()); n != 0 {
		t.Errorf("%d requests were sent without credentials", n)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", dnstest.Route53KeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", dnstest.Route53Secret)
	if err := newProvider(t, server.URL, ambient).Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAHostedZoneIsFoundByItsName(t *testing.T) {
	for name, test := range map[string]struct {
		zones []string
		words string
	}{
		"The only one":               {[]string{dnstest.Route53ZoneID + " cupdomain.com.", "Z1 cupdomain.com. private", "Z2 cupdomain.net."}, ""},
		"None":                       {[]string{"Z1 cupdomain.com. private", "Z2 cupdomain.net."}, "no public hosted zone cupdomain.com"},
		"One of two, nobody can say": {[]string{"Z1 cupdomain.com.", "Z2 cupdomain.com."}, "several public hosted zones cupdomain.com: Z1, Z2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, server := serve(t)
			server.Zones = test.zones
			err := newProvider(t, server.URL, func(c *route53.Config) { c.HostedZoneID = "" }).Probe(t.Context())
			if test.words == "" && err != nil {
				t.Error(err)
			}
			if test.words != "" {
				dnstest.WantError(t, err, v1alpha1.ReasonNotAuthoritative, true, test.words)
			}
		})
	}
}

func TestAHostedZoneThatReplacesTheOneThatWasFoundIsFoundInItsTurn(t *testing.T) {
	_, server := serve(t)
	server.Zones = []string{"ZREPLACED cupdomain.com."}
	p := newProvider(t, server.URL, func(c *route53.Config) { c.HostedZoneID = "" })
	err := p.Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonNotAuthoritative, false, "hosted zone cupdomain.com that the AWS account had is gone")
	server.Zones = []string{dnstest.Route53ZoneID + " cupdomain.com."}
	for range 2 {
		if _, err := dnstest.Converge(t, p, units("203.0.113.130", false)...); err != nil {
			t.Errorf("once there is another: %v", err)
		}
	}
	all := server.Requests()
	rest := slices.DeleteFunc(slices.Clone(all), func(r string) bool { return strings.HasSuffix(r, "/hostedzonesbyname") })
	if n := len(all) - len(rest); n != 2 {
		t.Errorf("the hosted zone was looked for %d times, want once before and once after", n)
	}
}

func TestAHostedZoneThatIsTheWrongOneIsRefused(t *testing.T) {
	for words, zone := range map[string]string{
		"is zone cupdomain.net and not cupdomain.com": dnstest.Route53ZoneID + " cupdomain.net.",
		"is private": dnstest.Route53ZoneID + " cupdomain.com. private",
	} {
		_, server := serve(t)
		server.Zones = []string{zone}
		dnstest.WantError(t, newProvider(t, server.URL, nil).Probe(t.Context()), v1alpha1.ReasonNotAuthoritative, true, words)
	}
	_, server := serve(t)
	err := newProvider(t, server.URL, func(c *route53.Config) { c.HostedZoneID = "ZELSEWHERE" }).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonNotAuthoritative, true, "no hosted zone with the ID given")
}

func TestAnEndpointThatIsNotThereIsReported(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	err := newProvider(t, server.URL, nil).Probe(t.Context())
	dnstest.WantError(t, err, v1alpha1.ReasonServerUnavailable, false, "the Route 53 endpoint "+server.URL, "refuses connections")
}

func TestOfALargeZoneOnlyThePagesThatMatterAreRead(t *testing.T) {
	zone, server := serve(t)
	server.PageSize = 3
	address := []netip.Addr{netip.MustParseAddr("203.0.113.9")}
	var foreign dns.Change
	for i := range 100 {
		for _, name := range []string{"a%d", "cup1-%d", "%d.cup1", "x%d", "own.a%d"} {
			foreign.Put = append(foreign.Put, dns.AddressRecords(fmt.Sprintf(name+".cupdomain.com", i), 300, address)...)
		}
	}
	foreign.Put = append(foreign.Put, dns.AddressRecords("*.cup1.cupdomain.com", 300, address)...)
	zone.Edit(foreign)
	p := newProvider(t, server.URL, nil)
	wanted := units("203.0.113.130", false)
	if _, err := dnstest.Converge(t, p, wanted...); err != nil {
		t.Fatal(err)
	}
	for _, unit := range wanted {
		got, err := p.Get(t.Context(), unit.Records[0].Key())
		if err != nil || len(got) != 1 || !got[0].Equal(unit.Records[0]) {
			t.Errorf("got %v %v, want %v", got, err, unit.Records[0])
		}
	}
	// Five names are looked at before the change, in it and after it, and two at the end.
	if n := len(server.Requests()); n > 3*5+1+2 {
		t.Errorf("%d requests were made", n)
	}
	if _, err := dnstest.Converge(t, p); err != nil || len(zone.Dump()) != 501 {
		t.Errorf("got %v, %d records, want the 501 of others", err, len(zone.Dump()))
	}
}

// others are record sets as only Route 53 has them.
func others() []dnstest.Route53Set {
	ttl, weight := int64(60), int64(10)
	return []dnstest.Route53Set{
		{Name: "cup1.cupdomain.com.", Type: "A", AliasTarget: &dnstest.Route53Alias{HostedZoneId: "Z32", DNSName: "lb.example."}},
		{Name: "www.cupdomain.com.", Type: "A", SetIdentifier: "east", Weight: &weight, TTL: &ttl, Records: []dnstest.Route53Data{{Value: "203.0.113.1"}}},
		{Name: "www.cupdomain.com.", Type: "A", SetIdentifier: "west", Weight: &weight, TTL: &ttl, Records: []dnstest.Route53Data{{Value: "203.0.113.2"}}},
	}
}

func TestAnAliasOfRoute53IsForeignUntilItIsTakenOver(t *testing.T) {
	zone, server := serve(t)
	server.Others = others()
	p := newProvider(t, server.URL, nil)
	_, err := dnstest.Converge(t, p, units("203.0.113.130", false)...)
	dnstest.WantError(t, err, v1alpha1.ReasonRecordExistsUnowned, true, "A cup1.cupdomain.com exists")
	if diff := cmp.Diff(others(), server.Others); diff != "" || len(zone.Dump()) > 0 {
		t.Errorf("the zone changed (-before +after):\n%s%v", diff, zone.Dump())
	}
	r, err := dnstest.Converge(t, p, units("203.0.113.130", true)...)
	if err != nil || len(r.Adopted) != 1 {
		t.Fatalf("got %+v %v, want the alias taken over", r, err)
	}
	if diff := cmp.Diff(others()[1:], server.Others); diff != "" || len(zone.Dump()) != 5 {
		t.Errorf("other sets changed (-before +after):\n%s%v", diff, zone.Dump())
	}
}

func TestWhatSomebodyElseDoesInTheLastMomentIsNotOverwritten(t *testing.T) {
	host := units("203.0.113.131", false)[1].Records[0]
	other := units("203.0.113.99", false)[1].Records[0]
	text := dns.RRset{Name: "text.cupdomain.com.", Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{dns.TXT{"a"}}}
	otherText := dns.RRset{Name: text.Name, Type: text.Type, TTL: 300, Data: []dns.Data{dns.TXT{"b"}}}
	alias := dns.RRset{Name: host.Name, Type: dns.TypeCNAME, TTL: 60, Data: []dns.Data{dns.Alias("elsewhere.example.")}}
	for name, test := range map[string]struct {
		change    dns.Change
		meanwhile dns.Change
	}{
		"What is to be absent is created": {dns.Change{Absent: []dns.Key{host.Key()}, Put: []dns.RRset{host}}, dns.Change{Put: []dns.RRset{other}}},
		"What is to be kept as it is changes": {dns.Change{Equal: []dns.RRset{text}, Put: []dns.RRset{host}},
			dns.Change{Put: []dns.RRset{otherText}}},
		"What is to be kept as it is goes": {dns.Change{Equal: []dns.RRset{text}, Put: []dns.RRset{host}},
			dns.Change{Drop: []dns.Key{text.Key()}}},
		"What is to be replaced changes": {dns.Change{Equal: []dns.RRset{text}, Put: []dns.RRset{host, text}},
			dns.Change{Put: []dns.RRset{otherText}}},
		"What is to be removed changes": {dns.Change{Equal: []dns.RRset{text}, Drop: []dns.Key{text.Key()}},
			dns.Change{Put: []dns.RRset{otherText}}},
		"An alias is created where a record is to be": {dns.Change{Absent: []dns.Key{alias.Key()}, Put: []dns.RRset{host}},
			dns.Change{Put: []dns.RRset{alias}}},
	} {
		t.Run(name, func(t *testing.T) {
			zone, server := serve(t)
			zone.Edit(dns.Change{Put: []dns.RRset{text}})
			var after []string
			server.BeforeChange(func() {
				zone.Edit(test.meanwhile)
				after = zone.Dump()
			})
			err := newProvider(t, server.URL, nil).Apply(t.Context(), test.change)
			if !errors.Is(err, dns.ErrPrerequisite) {
				t.Errorf("got %v, want that a prerequisite does not hold", err)
			}
			if diff := cmp.Diff(after, zone.Dump()); diff != "" {
				t.Errorf("what was written meanwhile is lost (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangeThatIsTooLargeIsNotSent(t *testing.T) {
	long := make(dns.TXT, 20)
	for i := range long {
		long[i] = strings.Repeat("a", 250)
	}
	set := dns.RRset{Name: "text.cupdomain.com.", Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{long}}
	var characters, records dns.Change
	for i := range 10 {
		short := dns.RRset{Name: fmt.Sprintf("t%d.cupdomain.com.", i), Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{long[:15]}}
		characters.Put = append(characters.Put, short)
	}
	for i := range 1001 {
		name := fmt.Sprintf("a%d.cupdomain.com", i)
		records.Put = append(records.Put, dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr("203.0.113.1")})...)
	}
	for what, change := range map[string]dns.Change{
		"text of 4000 characters": {Put: []dns.RRset{set}}, "32000 characters": characters, "1000 records": records,
	} {
		_, server := serve(t)
		if err := newProvider(t, server.URL, nil).Apply(t.Context(), change); !errors.Is(err, dns.ErrTooLarge) {
			t.Errorf("%s: got %v, want that it is more than can be sent", what, err)
		}
		if slices.ContainsFunc(server.Requests(), func(r string) bool { return strings.HasPrefix(r, "POST") }) {
			t.Error("the change was sent")
		}
	}
}
