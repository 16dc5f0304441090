// SPDX-License-Identifier: Apache-2.0

package public_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/public"
)

func newReader(t *testing.T, port uint16, resolvers ...string) *public.Reader {
	t.Helper()
	r, err := public.New(public.Config{Zone: "cupdomain.com", Resolvers: resolvers, Port: port, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// nobody is an address at which nothing listens.
func nobody(t *testing.T) (address string, port uint16) {
	t.Helper()
	port = uint16(dnstest.FreePort(t, "127.0.0.1"))
	return fmt.Sprintf("127.0.0.1:%d", port), port
}

func TestAZoneIsReadAtItsNameServers(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	resolver, port := dnstest.Delegate(t, zone)
	host := dns.AddressRecords("cup1.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("203.0.113.130")})
	zone.Edit(dns.Change{Put: host})
	want, err := zone.Zone(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	// The first resolver does not answer.
	dead, _ := nobody(t)
	r := newReader(t, port, dead, resolver)
	got, err := r.Zone(context.Background())
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	sets, err := r.Get(context.Background(), host[0].Key(), dns.Key{Name: "cup2.cupdomain.com.", Type: dns.TypeA})
	if err != nil || len(sets) != 1 || !sets[0].Equal(host[0]) {
		t.Errorf("got %v, %v, want %v and nothing of what does not exist", sets, err, host)
	}
}

func TestANameThatCannotBeResolvedTakesNoOtherServerAway(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	_, port := dnstest.Delegate(t, zone)
	zone.SetNameServers("ns0.cupdomain.com", "ns1.cupdomain.com")
	resolver, _ := nobody(t)
	answer := dnstest.Authority(zone)
	servfail := map[string]bool{"ns0.cupdomain.com.": true}
	dnstest.Serve(t, resolver, func(w miekg.ResponseWriter, r *miekg.Msg) {
		if servfail[r.Question[0].Name] {
			_ = w.WriteMsg(new(miekg.Msg).SetRcode(r, miekg.RcodeServerFailure))
			return
		}
		answer(w, r)
	}, nil)
	r := newReader(t, port, resolver)
	if got, err := r.Zone(t.Context()); err != nil || len(got.NameServers) != 2 {
		t.Errorf("got %+v, %v, want the zone as the other server has it", got, err)
	}
	servfail["ns1.cupdomain.com."] = true
	_, err := r.Zone(t.Context())
	if e, ok := dns.AsError(err); !ok || e.Reason != v1alpha1.ReasonServerUnavailable || e.Permanent {
		t.Errorf("got %v when none can be resolved, want that it may pass", err)
	}
}

func TestTheServerThatAnsweredLastIsAskedFirst(t *testing.T) {
	zone := dnstest.NewMemory("cupdomain.com")
	resolver, port := dnstest.Delegate(t, zone)
	zone.SetNameServers("ns0.cupdomain.com", "ns1.cupdomain.com")
	asked := 0
	// A server that has the name, but not the zone.
	dnstest.Serve(t, fmt.Sprintf("127.0.0.2:%d", port), func(w miekg.ResponseWriter, r *miekg.Msg) {
		asked++
		_ = w.WriteMsg(new(miekg.Msg).SetRcode(r, miekg.RcodeRefused))
	}, nil)
	zone.Edit(dns.Change{Put: dns.AddressRecords("ns0.cupdomain.com", 300, []netip.Addr{netip.MustParseAddr("127.0.0.2")})})
	r := newReader(t, port, resolver)
	for range 5 {
		if _, err := r.Get(t.Context(), dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the server without the zone was asked %d times, want once", asked)
	}
}

func TestWhatIsWrongIsReported(t *testing.T) {
	lame := func(w miekg.ResponseWriter, r *miekg.Msg) {
		m := new(miekg.Msg)
		_ = w.WriteMsg(m.SetRcode(r, miekg.RcodeRefused))
	}
	tests := map[string]struct {
		reader    func(*testing.T) *public.Reader
		reason    string
		permanent bool
		words     string
	}{
		"No resolver answers": {
			reader: func(t *testing.T) *public.Reader {
				address, port := nobody(t)
				return newReader(t, port, address)
			},
			reason: v1alpha1.ReasonServerUnavailable, words: "no resolver of the operator's",
		},
		"The zone is not delegated": {
			reader: func(t *testing.T) *public.Reader {
				zone := dnstest.NewMemory("cupdomain.com")
				resolver, port := dnstest.Delegate(t, zone)
				zone.SetNameServers()
				return newReader(t, port, resolver)
			},
			reason: v1alpha1.ReasonNotAuthoritative, permanent: true, words: "resolvers find no name servers of zone cupdomain.com",
		},
		"No name server answers": {
			reader: func(t *testing.T) *public.Reader {
				resolver, _ := dnstest.Delegate(t, dnstest.NewMemory("cupdomain.com"))
				_, dead := nobody(t)
				return newReader(t, dead, resolver)
			},
			reason: v1alpha1.ReasonServerUnavailable, words: "none of the name servers of zone cupdomain.com",
		},
		"The name server does not have the zone": {
			reader: func(t *testing.T) *public.Reader {
				resolver, _ := dnstest.Delegate(t, dnstest.NewMemory("cupdomain.com"))
				address, port := nobody(t)
				dnstest.Serve(t, address, lame, nil)
				return newReader(t, port, resolver)
			},
			reason: v1alpha1.ReasonServerUnavailable, words: "none of the name servers of zone cupdomain.com",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := test.reader(t)
			_, zoneErr := r.Zone(context.Background())
			_, err := r.Get(context.Background(), dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA})
			for what, err := range map[string]error{"reading records": err, "reading the zone": zoneErr} {
				e, ok := dns.AsError(err)
				if !ok || e.Reason != test.reason || e.Permanent != test.permanent || !strings.Contains(e.Message, test.words) {
					t.Errorf("%s: got %+v, want reason %s and %q", what, e, test.reason, test.words)
				}
			}
		})
	}
}

func TestNewNamesTheFieldThatIsWrong(t *testing.T) {
	tests := map[string]struct {
		cfg   public.Config
		field string
	}{
		"No zone":      {public.Config{Resolvers: []string{"203.0.113.53:53"}}, "zone"},
		"No resolvers": {public.Config{Zone: "cupdomain.com"}, "resolvers"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := public.New(test.cfg); err == nil || !strings.HasPrefix(err.Error(), test.field+":") {
				t.Errorf("got %v, want an error about %s", err, test.field)
			}
		})
	}
}
