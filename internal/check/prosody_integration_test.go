// SPDX-License-Identifier: Apache-2.0

//go:build integration

package check

import (
	"crypto/x509"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Isolated(m.Run) }

func TestInboundAgainstRealProsody(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			startProsody(t, version, []string{"cupdomain.com"}, domains...)
			records := append(without("cup1.cupdomain.com."), "cup1.cupdomain.com. 300 IN A 127.0.0.1",
				"_xmpp-server._tcp.other.example. 300 IN SRV 0 0 5269 cup1.cupdomain.com.")
			tgt := target(startResolver(t, records...))
			tgt.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
			tgt.Serial = "a1"
			c := New()

			got := run(t, c, tgt)
			expect(t, got, v1alpha1.ReasonReachable, "partners find cupdomain.com, conference.cupdomain.com in public DNS "+
				"(asked: R0) and reach 127.0.0.1 at port 5269, encrypted, with a certificate that names the domain")

			stranger := tgt
			stranger.Domains = []string{"other.example"}
			got = run(t, c, stranger)
			if got.Reason != v1alpha1.ReasonStreamRefused {
				t.Errorf("a domain that the server does not serve: got %+v", got)
			}

			c.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
			if got = run(t, c, tgt); got.Reason != v1alpha1.ReasonCertificateExpired {
				t.Errorf("in a year: got %+v", got)
			}
		})
	}
}

func TestServesProvesWhatRealProsodyServes(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			startProsody(t, version, []string{"cupdomain.com"}, domains...)
			tgt := InboundTarget{
				Domains: []string{"cupdomain.com", "conference.cupdomain.com", "other.example"}, Port: 5269,
				Through: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
			}
			got := New().Serves(t.Context(), tgt)
			want := []string{"_xmpp-server._tcp.conference.cupdomain.com", "_xmpp-server._tcp.cupdomain.com"}
			if !slices.Equal(got.Served, want) || !strings.Contains(got.Missing, "refuses streams to other.example") {
				t.Errorf("got %+v", got)
			}
			tgt.Port = 5298 // where nobody listens
			if got = New().Serves(t.Context(), tgt); len(got.Served) > 0 || got.Missing != "TCP connections are refused" {
				t.Errorf("where nobody listens: got %+v", got)
			}
		})
	}
}

func TestInboundSeesTheNamesThatRealProsodyServes(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			startProsody(t, version, []string{"cupdomain.com"}, "cupdomain.com")
			records := append(without("cup1.cupdomain.com."), "cup1.cupdomain.com. 300 IN A 127.0.0.1")
			tgt := target(startResolver(t, records...))
			tgt.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
			if got := run(t, New(), tgt); got.Reason != v1alpha1.ReasonCertificateNameMismatch {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestConflictWithRealProsody(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			for name, tc := range map[string]struct {
				serves []string
				want   []Conflict
			}{
				"that serves its own domain only": {[]string{"gmail.com"}, nil},
				"that serves ours as well": {
					[]string{"gmail.com", "cupdomain.com"},
					[]Conflict{{"cupdomain.com", "xmpp.gmail.com:5269"}, {"conference.cupdomain.com", "xmpp.gmail.com:5269"}},
				},
			} {
				t.Run(name, func(t *testing.T) {
					startProsody(t, version, tc.serves, tc.serves...)
					expectConflicts(t, "127.0.0.1:5269", tc.want)
				})
			}
		})
	}
}

// expectConflicts asks the server at an address of this machine, as that of gmail.com, for our domains.
func expectConflicts(t *testing.T, at string, want []Conflict) {
	t.Helper()
	n := network{"203.0.113.20:5269": at}
	got, err := conflicts(t, n, conflictTarget(startResolver(t, gmailZone...)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// What doctor makes of a real server: nothing is wrong but the end of the test's certificate, which is near; the server
// knows the keys of its own secret, and no other.
func TestExamineOfRealProsody(t *testing.T) {
	trusting := strict
	trusting.Authentication = v1alpha1.PeerAuthenticationCertificateOrDialback
	for _, version := range prosodytest.Versions {
		for name, tc := range map[string]struct {
			defaults v1alpha1.PeerPolicy
			secret   string
			failed   []ID
			keys     Mark
		}{
			"that takes dialback":                 {trusting, "dialback", nil, Pass},
			"that has another dialback secret":    {trusting, "another", []ID{DialbackKey}, Fail},
			"that demands certificates of others": {strict, "dialback", nil, Pass},
		} {
			t.Run("Prosody "+version+" "+name, func(t *testing.T) {
				ca := startProsodyFor(t, tc.defaults, version, []string{"cupdomain.com"}, domains...)
				records := append(without("cup1.cupdomain.com."), "cup1.cupdomain.com. 300 IN A 127.0.0.1")
				want := target()
				want.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
				roots := x509.NewCertPool()
				roots.AppendCertsFromPEM(ca.PEM)
				results := New().Examine(t.Context(), Subject{
					Domain: "cupdomain.com", GroupChat: "conference.cupdomain.com", Want: &want, Roots: roots, DialbackSecret: tc.secret,
					Resolvers: []string{startResolver(t, records...).address},
				})
				var failed []ID
				for _, r := range results {
					judged(t, r)
					if r.Mark == Fail {
						failed = append(failed, r.ID)
					}
					if r.ID == DialbackKey && r.Mark != tc.keys {
						t.Errorf("got %s for the keys (%s), want %s", r.Mark, r.Words, tc.keys)
					}
				}
				if !slices.Equal(failed, tc.failed) {
					t.Errorf("failed %v, want %v: %+v", failed, tc.failed, results)
				}
			})
		}
	}
}

// startProsody runs a server for some domains and their group chats, with a certificate for names.
func startProsody(t *testing.T, version string, serves []string, names ...string) {
	t.Helper()
	startProsodyFor(t, strict, version, serves, names...)
}

// startProsodyFor is startProsody with a policy for partners. It returns the CA of the certificate.
func startProsodyFor(t *testing.T, defaults v1alpha1.PeerPolicy, version string, serves []string, names ...string) *prosodytest.CA {
	t.Helper()
	ca := prosodytest.NewCA(t)
	cert, key := ca.Issue(t, 0xa1, names...)
	config, err := prosody.Engine{}.Render(engine.Input{
		Domains: serves, GroupChat: "conference", Replicas: 1, PeerDefaults: defaults,
	})
	if err != nil {
		t.Fatal(err)
	}
	secrets := engine.Secrets{
		Cert: cert, Key: key, Accounts: []byte("{}"), DialbackSecret: []byte("dialback"), Token: []byte("status-token"),
	}
	data, _ := secrets.Data()
	prosodytest.New(t, version, config.Files, data).Start(t)
	return ca
}
