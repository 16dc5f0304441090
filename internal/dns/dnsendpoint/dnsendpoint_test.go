// SPDX-License-Identifier: Apache-2.0

package dnsendpoint_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/dnsendpoint"
	"github.com/xmppfed/xmppfed/internal/dns/dnstest"
	"github.com/xmppfed/xmppfed/internal/dns/verify"
)

var srv = dns.Key{Name: "_xmpp-server._tcp.cupdomain.com.", Type: dns.TypeSRV}

// federation is what a Federation publishes.
func federation(port uint16, address string) []dns.Unit {
	return []dns.Unit{
		{Anchor: "cupdomain.com", Records: []dns.RRset{
			dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Port: port, Target: "cup1.cupdomain.com"}),
		}},
		{Anchor: "cup1.cupdomain.com", Records: []dns.RRset{
			{Name: "cup1.cupdomain.com.", Type: dns.TypeA, TTL: 300, Data: []dns.Data{dnstest.Address(address)}},
		}},
	}
}

func converge(t *testing.T, p dns.Provider, units ...dns.Unit) error {
	t.Helper()
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := dns.Converge(context.Background(), p, signer, dns.Owner{ID: "owner001"}, units)
	if err == nil {
		err = result.Err()
	}
	return err
}

// mustConverge or end the test.
func mustConverge(t *testing.T, p dns.Provider, units ...dns.Unit) {
	t.Helper()
	if err := converge(t, p, units...); err != nil {
		t.Fatalf("converging: %v", err)
	}
}

// check what the servers of the zone serve, for the message.
func check(t *testing.T, port uint16, p dns.Provider, units []dns.Unit, gone ...dns.Key) string {
	t.Helper()
	var want []dns.RRset
	for _, u := range units {
		want = append(want, u.Records...)
	}
	_, err := verify.Verifier{Port: port}.Check(context.Background(), p, want, gone)
	if err == nil {
		return ""
	}
	e, ok := dns.AsError(err)
	if !ok || e.Reason != v1alpha1.ReasonPropagationPending {
		t.Fatalf("got %v, want PropagationPending", err)
	}
	return e.Message
}

func newProvider(w *dnstest.EndpointPublisher, c dnsendpoint.Client, change ...func(*dnsendpoint.Config)) *dnsendpoint.Provider {
	cfg := dnsendpoint.Config{Reader: w.Reader, Client: c, Namespace: "xmppfed-system", FieldOwner: "xmppfed", Now: time.Now}
	for _, do := range change {
		do(&cfg)
	}
	return dnsendpoint.New(cfg)
}

func TestMissingSettingsOfExternalDNSAreNamedAndHealWhenTheyAreMade(t *testing.T) {
	units := federation(5269, "203.0.113.130")
	tests := map[string]struct {
		wrong func(*dnstest.EndpointPublisher)
		words []string
	}{
		"No ExternalDNS reads the objects": {
			func(w *dnstest.EndpointPublisher) { w.Blind = true },
			[]string{"no ExternalDNS says that it has read DNSEndpoint xmppfed-system/records.", "--source=crd", "--namespace", "--label-filter"},
		},
		"It leaves service records out": {
			func(w *dnstest.EndpointPublisher) { w.Types = []string{"A", "AAAA"} },
			[]string{"none of type SRV", "--managed-record-types=SRV", "srvTargets", "Bare"},
		},
		"It leaves everything out": {
			func(w *dnstest.EndpointPublisher) { w.Types = []string{"CNAME"} },
			[]string{"has read DNSEndpoint xmppfed-system/records.", "--domain-filter", "cupdomain.com"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := dnstest.NewEndpointPublisher(t)
			p := newProvider(w, w.Client)
			test.wrong(w)
			mustConverge(t, p, units...)
			w.Run()
			message := check(t, w.Port, p, units)
			for _, word := range test.words {
				if !strings.Contains(message, word) {
					t.Errorf("%q is not in %q", word, message)
				}
			}
			w.Blind, w.Types = false, nil
			w.Run()
			if message := check(t, w.Port, p, units); message != "" {
				t.Errorf("after it is repaired: %s", message)
			}
		})
	}
}

func TestWhatExternalDNSCanNotReplaceOrRemoveIsNamedUntilSomebodyDid(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	p := newProvider(w, w.Client)
	before, after := federation(5269, "203.0.113.130"), federation(5299, "203.0.113.130")
	mustConverge(t, p, before...)
	w.Run()
	w.Forgets = []string{"SRV"}
	mustConverge(t, p, after...)
	w.Run()
	if m := check(t, w.Port, p, after); !strings.Contains(m, "other data stands there") || !strings.Contains(m, "removes "+srv.String()) {
		t.Errorf("after a change: %s", m)
	}
	mustConverge(t, p, after[1])
	w.Run()
	if m := check(t, w.Port, p, after[1:], srv); !strings.Contains(m, "still serves "+srv.String()) || !strings.Contains(m, "--policy=sync") {
		t.Errorf("after a removal: %s", m)
	}
	w.Zone.Edit(dns.Change{Drop: []dns.Key{srv}})
	if m := check(t, w.Port, p, after[1:], srv); m != "" {
		t.Errorf("after somebody removed it: %s", m)
	}
}

func TestWhatStandsOnlyBecauseItWasHandedOverIsNobodysAndMayBeWantedAgain(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	p := newProvider(w, w.Client)
	units := federation(5269, "203.0.113.130")
	mustConverge(t, p, units...)
	w.Run()
	mustConverge(t, p)
	if sets, err := p.Get(context.Background(), srv); err != nil || len(sets) > 0 {
		t.Errorf("got %v, %v, want nothing: ExternalDNS is about to remove it", sets, err)
	}
	other := federation(5299, "203.0.113.131")
	mustConverge(t, p, other...)
	w.Run()
	if m := check(t, w.Port, p, other); m != "" {
		t.Error(m)
	}
}

func TestWhatWasHandedOverIsForgottenAnHourLaterIfItIsGone(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	now := time.Now()
	p := newProvider(w, w.Client, func(c *dnsendpoint.Config) { c.Now = func() time.Time { return now } })
	mustConverge(t, p, federation(5269, "203.0.113.130")...)
	w.Run()
	mustConverge(t, p)
	for _, step := range []struct {
		after time.Duration
		run   bool
		left  int
	}{{0, false, 2}, {2 * time.Hour, false, 2}, {0, true, 0}} {
		now = now.Add(step.after)
		if step.run {
			w.Run()
		}
		if err := p.Probe(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := w.Objects(); len(got) != step.left {
			t.Errorf("%+v: got objects %v", step, got)
		}
	}
}

func TestWhatWasHandedOverWhenTheClockWasAheadIsForgottenAnHourLaterToo(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	right := time.Now()
	now := right
	p := newProvider(w, w.Client, func(c *dnsendpoint.Config) { c.Now = func() time.Time { return now } })
	mustConverge(t, p, federation(5269, "203.0.113.130")...)
	w.Run()
	now = right.Add(365 * 24 * time.Hour)
	mustConverge(t, p)
	w.Run()
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{time.Minute, 2}, {2 * time.Hour, 0}} {
		now = right.Add(step.after)
		if err := p.Probe(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := w.Objects(); len(got) != step.left {
			t.Errorf("%+v: got objects %v", step, got)
		}
	}
}

func TestOfTwoWhoClaimANameAtOnceOneGetsIt(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	signer, err := dns.NewSigner([]byte("a key for tests of 32 bytes or so"))
	if err != nil {
		t.Fatal(err)
	}
	rival := newProvider(w, w.Client)
	once := false
	// The rival comes between reading and writing.
	p := newProvider(w, interceptor.NewClient(w.Client, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if !once && strings.HasPrefix(o.GetName(), "records.") {
				once = true
				if _, err := dns.Converge(ctx, rival, signer, dns.Owner{ID: "owner002"}, federation(5299, "203.0.113.131")); err != nil {
					t.Errorf("the rival: %v", err)
				}
			}
			return c.Create(ctx, o, options...)
		},
	}))
	e, ok := dns.AsError(converge(t, p, federation(5269, "203.0.113.130")...))
	if !ok || e.Reason != v1alpha1.ReasonOwnershipConflict || !strings.Contains(e.Message, "owner002") {
		t.Errorf("got %v, want OwnershipConflict with owner002", e)
	}
}

func TestFailuresOfTheAPIBecomeReasons(t *testing.T) {
	resource := schema.GroupResource{Group: "externaldns.k8s.io", Resource: "dnsendpoints"}
	kind := schema.GroupKind{Group: resource.Group, Kind: "DNSEndpoint"}
	tests := map[string]struct {
		err       error
		reason    string
		words     string
		permanent bool
	}{
		"There is no CRD":            {&meta.NoKindMatchError{GroupKind: kind}, v1alpha1.ReasonUpdateRejected, "installs ExternalDNS with its CRD", true},
		"The CRD was removed":        {apierrors.NewGenericServerResponse(404, "GET", resource, "a", "", 0, true), v1alpha1.ReasonUpdateRejected, "with its CRD", true},
		"There is no right":          {apierrors.NewForbidden(resource, "a", errors.New("no")), v1alpha1.ReasonUpdateRefused, "namespace xmppfed-system", true},
		"The CRD is another":         {apierrors.NewInvalid(kind, "a", nil), v1alpha1.ReasonUpdateRejected, "the CRD that belongs to its ExternalDNS", true},
		"The API server is too slow": {apierrors.NewTimeoutError("slow", 1), v1alpha1.ReasonServerUnavailable, "whoever runs the cluster", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := dnstest.NewEndpointPublisher(t)
			broken := newProvider(w, interceptor.NewClient(w.Client, interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					return test.err
				},
				List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
					return test.err
				},
			}))
			for what, err := range map[string]error{
				"publishing": converge(t, broken, federation(5269, "203.0.113.130")...), "probing": broken.Probe(context.Background()),
			} {
				e, ok := dns.AsError(err)
				if !ok || e.Reason != test.reason || !strings.Contains(e.Message, test.words) || e.Permanent != test.permanent {
					t.Errorf("%s: got %+v, want %s with %q", what, e, test.reason, test.words)
				}
			}
		})
	}
}

func TestAnObjectOfSomebodyElseIsLeftAlone(t *testing.T) {
	w := dnstest.NewEndpointPublisher(t)
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(dnsendpoint.Kind)
	o.SetNamespace("xmppfed-system")
	o.SetName("records.cupdomain.com")
	if err := w.Client.Create(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	e, ok := dns.AsError(converge(t, newProvider(w, w.Client), federation(5269, "203.0.113.130")...))
	if !ok || e.Reason != v1alpha1.ReasonRecordExistsUnowned || !strings.Contains(e.Message, "xmppfed-system/records.cupdomain.com") {
		t.Errorf("got %v, want RecordExistsUnowned with the object's name", e)
	}
}

func TestTargetsOfServiceRecordsAreWrittenAsExternalDNSHasThem(t *testing.T) {
	for bare, want := range map[bool]string{true: "0 0 5269 cup1.cupdomain.com", false: "0 0 5269 cup1.cupdomain.com."} {
		w := dnstest.NewEndpointPublisher(t)
		w.BareTargets = bare
		p := newProvider(w, w.Client, func(c *dnsendpoint.Config) { c.BareTargets = bare })
		units := federation(5269, "203.0.113.130")
		mustConverge(t, p, units...)
		var o unstructured.Unstructured
		o.SetGroupVersionKind(dnsendpoint.Kind)
		if err := w.Client.Get(context.Background(), client.ObjectKey{Namespace: "xmppfed-system", Name: "records.cupdomain.com"}, &o); err != nil {
			t.Fatal(err)
		}
		endpoints, _, _ := unstructured.NestedSlice(o.Object, "spec", "endpoints")
		if targets := endpoints[0].(map[string]any)["targets"].([]any); targets[0] != want {
			t.Errorf("bare %t: got %v, want %s", bare, targets, want)
		}
		w.Run()
		if m := check(t, w.Port, p, units); m != "" {
			t.Errorf("bare %t: %s", bare, m)
		}
		before := w.Writes()
		mustConverge(t, p, units...)
		if n := w.Writes() - before; n != 0 {
			t.Errorf("a run on what is as wanted wrote %d times", n)
		}
	}
}

func TestTargetsAreWrittenAnewWhenExternalDNSWantsTheOtherForm(t *testing.T) {
	for _, bare := range []bool{true, false} {
		w := dnstest.NewEndpointPublisher(t)
		empty := w.Zone.Dump()
		units := federation(5269, "203.0.113.130")
		set := func(form bool) *dnsendpoint.Provider {
			return newProvider(w, w.Client, func(c *dnsendpoint.Config) { c.BareTargets = form })
		}
		w.BareTargets = bare
		mustConverge(t, set(!bare), units...)
		w.Run()
		if m := check(t, w.Port, set(!bare), units); !strings.Contains(m, "srvTargets") {
			t.Errorf("from %t to %t, before the setting is changed: got %q, want that it is named", !bare, bare, m)
		}
		mustConverge(t, set(bare), units...)
		w.Run()
		if m := check(t, w.Port, set(bare), units); m != "" {
			t.Errorf("from %t to %t: %s", !bare, bare, m)
		}
		before := w.Writes()
		mustConverge(t, set(bare), units...)
		if n := w.Writes() - before; n != 0 {
			t.Errorf("from %t to %t: another run wrote %d times", !bare, bare, n)
		}
		mustConverge(t, set(bare))
		w.Run()
		if left := w.Zone.Dump(); !slices.Equal(left, empty) {
			t.Errorf("from %t to %t: after all is released the zone has %v, want %v", !bare, bare, left, empty)
		}
	}
}
