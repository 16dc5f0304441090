// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

const webhookMediaType = "application/external.dns.webhook+json;version=1"

// Webhook is a webhook provider of ExternalDNS for a zone in memory. Whatever does not keep to the protocol fails the test:
// media types, unknown fields, creating what exists, or updating or deleting what is not as it is said to be.
type Webhook struct {
	URL string
	// MinTTL is put in place of shorter ones by adjustendpoints.
	MinTTL uint32
	// BareTargets has targets of service records without trailing dot, as ExternalDNS did up to version 0.20. Otherwise the
	// dot is demanded, as later ones do.
	BareTargets bool
	// Without are types that adjustendpoints leaves out.
	Without []string

	t    testing.TB
	zone *Memory

	mu       sync.Mutex
	requests []string
	failures map[string]int
	losses   int
	left     int
}

// webhookEndpoint is sigs.k8s.io/external-dns/endpoint.Endpoint on the wire.
type webhookEndpoint struct {
	DNSName          string              `json:"dnsName"`
	Targets          []string            `json:"targets"`
	RecordType       string              `json:"recordType"`
	SetIdentifier    string              `json:"setIdentifier,omitempty"`
	RecordTTL        int64               `json:"recordTTL,omitempty"`
	Labels           map[string]string   `json:"labels,omitempty"`
	ProviderSpecific []map[string]string `json:"providerSpecific,omitempty"`
}

// webhookChanges is sigs.k8s.io/external-dns/plan.Changes on the wire.
type webhookChanges struct {
	Create    []webhookEndpoint `json:"create"`
	UpdateOld []webhookEndpoint `json:"updateOld"`
	UpdateNew []webhookEndpoint `json:"updateNew"`
	Delete    []webhookEndpoint `json:"delete"`
}

// ServeWebhook until the test ends.
func ServeWebhook(t testing.TB, zone *Memory) *Webhook {
	t.Helper()
	w := &Webhook{t: t, zone: zone, failures: map[string]int{}, left: -1}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

// FailWith answers a request, such as "POST /records", with a status, until it is called with 0.
func (w *Webhook) FailWith(request string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures[request] = status
}

// LoseAnswers to the next n changes: each is carried out, and then the connection breaks.
func (w *Webhook) LoseAnswers(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.losses = n
}

// BreakAfter n changes: all further ones are answered with status 500, until it is called with -1.
func (w *Webhook) BreakAfter(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = n
}

// Requests that came in so far, such as "POST /records".
func (w *Webhook) Requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// ServeHTTP answers a request.
func (w *Webhook) ServeHTTP(answer http.ResponseWriter, r *http.Request) {
	request := r.Method + " " + r.URL.Path
	w.mu.Lock()
	w.requests = append(w.requests, request)
	status := w.failures[request]
	w.mu.Unlock()
	if r.Header.Get("Accept") != webhookMediaType {
		w.t.Errorf("%s: header Accept is %q", request, r.Header.Get("Accept"))
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != webhookMediaType {
		w.t.Errorf("%s: header Content-Type is %q", request, r.Header.Get("Content-Type"))
	}
	if status != 0 {
		answer.WriteHeader(status)
		return
	}
	switch request {
	case "GET /":
		w.reply(answer, map[string][]string{"include": {dns.Display(w.zone.Apex())}})
	case "GET /records":
		w.reply(answer, w.list())
	case "POST /adjustendpoints":
		var endpoints []webhookEndpoint
		w.decode(r, &endpoints)
		w.reply(answer, w.adjust(endpoints))
	case "POST /records":
		var changes webhookChanges
		w.decode(r, &changes)
		if w.broken() {
			answer.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.change(changes)
		if w.loses() {
			panic(http.ErrAbortHandler)
		}
		answer.WriteHeader(http.StatusNoContent)
	default:
		w.t.Errorf("%s is no request of the protocol", request)
		answer.WriteHeader(http.StatusNotFound)
	}
}

func (w *Webhook) broken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left > 0 {
		w.left--
		return false
	}
	return w.left == 0
}

func (w *Webhook) loses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.losses == 0 {
		return false
	}
	w.losses--
	return true
}

func (w *Webhook) reply(answer http.ResponseWriter, body any) {
	answer.Header().Set("Content-Type", webhookMediaType)
	if err := json.NewEncoder(answer).Encode(body); err != nil {
		w.t.Errorf("encoding an answer: %v", err)
	}
}

func (w *Webhook) decode(r *http.Request, body any) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(body); err != nil {
		w.t.Errorf("decoding %s %s: %v", r.Method, r.URL.Path, err)
	}
}

func (w *Webhook) list() []webhookEndpoint {
	out := []webhookEndpoint{}
	for _, set := range w.zone.Sets() {
		targets := set.Strings()
		for i, target := range targets {
			if w.BareTargets {
				targets[i] = strings.TrimSuffix(target, ".")
			}
		}
		out = append(out, webhookEndpoint{
			DNSName: dns.Display(set.Name), RecordType: set.TypeName(), RecordTTL: int64(set.TTL), Targets: targets,
			Labels: map[string]string{}, ProviderSpecific: []map[string]string{{"name": "id", "value": set.Key().String()}},
		})
	}
	return out
}

func (w *Webhook) adjust(endpoints []webhookEndpoint) []webhookEndpoint {
	out := []webhookEndpoint{}
	for _, e := range endpoints {
		e.RecordTTL = max(e.RecordTTL, int64(w.MinTTL))
		if !slices.Contains(w.Without, e.RecordType) {
			out = append(out, e)
		}
	}
	return out
}

func (w *Webhook) change(c webhookChanges) {
	var change dns.Change
	for _, e := range append(c.Delete, c.UpdateOld...) {
		set := w.parse(e)
		if !w.standsAs(e) {
			w.t.Errorf("%s is to be updated or deleted as %v, which it is not", set.Key(), e)
		}
		change.Drop = append(change.Drop, set.Key())
	}
	for i, e := range append(c.Create, c.UpdateNew...) {
		set := w.parse(e)
		switch {
		case i < len(c.Create) && w.exists(set.Key()) && !slices.Contains(change.Drop, set.Key()):
			w.t.Errorf("%s is to be created but exists", set.Key())
		case i >= len(c.Create) && w.parse(c.UpdateOld[i-len(c.Create)]).Key() != set.Key():
			w.t.Errorf("%s stands in place %d of updateNew, but not of updateOld", set.Key(), i-len(c.Create))
		}
		change.Put = append(change.Put, set)
	}
	if len(c.UpdateOld) != len(c.UpdateNew) {
		w.t.Errorf("updateOld has %d members and updateNew %d", len(c.UpdateOld), len(c.UpdateNew))
	}
	w.zone.Edit(change)
}

// standsAs tells whether the endpoint was listed just like this.
func (w *Webhook) standsAs(e webhookEndpoint) bool {
	want, err := json.Marshal(e)
	return err == nil && slices.ContainsFunc(w.list(), func(listed webhookEndpoint) bool {
		got, err := json.Marshal(listed)
		return err == nil && bytes.Equal(bytes.ReplaceAll(got, []byte(`"labels":{},`), nil), want)
	})
}

func (w *Webhook) exists(k dns.Key) bool {
	return slices.ContainsFunc(w.zone.Sets(), func(set dns.RRset) bool { return set.Key() == k })
}

func (w *Webhook) parse(e webhookEndpoint) dns.RRset {
	var records []miekg.RR
	for _, target := range e.Targets {
		if e.RecordType == "SRV" && strings.HasSuffix(target, ".") == w.BareTargets {
			w.t.Errorf("endpoint %v has its target in the wrong form", e)
		}
		rr, err := miekg.NewRR(fmt.Sprintf("%s. %d IN %s %s", e.DNSName, e.RecordTTL, e.RecordType, target))
		if err != nil || strings.HasSuffix(e.DNSName, ".") {
			w.t.Errorf("reading endpoint %v: %v", e, err)
			continue
		}
		records = append(records, rr)
	}
	if len(records) == 0 {
		w.t.Errorf("endpoint %v has no targets", e)
		return dns.RRset{}
	}
	set, _ := wire.Set(records, dns.Key{Name: dns.Canonical(e.DNSName), Type: records[0].Header().Rrtype})
	return set
}
