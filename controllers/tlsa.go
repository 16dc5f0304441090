// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/clock"
	"github.com/xmppfed/xmppfed/internal/dane"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// recheckSigning is how soon to ask again whether a zone is signed, when nobody could tell.
const recheckSigning = 15 * time.Second

// tlsaPlan is what one reconcile does about TLSA records.
type tlsaPlan struct {
	// keys to publish.
	keys []string
	// unsigned is set when none are published because the zone is not signed, or nobody could tell.
	unsigned bool
	// why says so; waiting says that a certificate is held back.
	why, waiting string
	// after is when to look again; zero: no need.
	after time.Duration
}

// remark completes a message about what is published.
func (p tlsaPlan) remark() string {
	switch {
	case p.why != "":
		return "; no TLSA records are published: " + p.why
	case p.waiting != "":
		return "; " + p.waiting
	}
	return ""
}

func wantsTLSA(fed *v1alpha1.Federation) bool { return fed.Spec.DNS.TLSA == v1alpha1.TLSAEnabled }

// planTLSA decides which keys are published, and holds back a certificate with another key until resolvers can know its
// record: the server then goes on with the one that it has.
func (r *FederationReconciler) planTLSA(s *scope) {
	status := &s.fed.Status
	if !wantsTLSA(s.fed) || !r.mayPublishTLSA(s) {
		status.TLSA = nil
		return
	}
	handed := s.mounted.Data[engine.KeyTLSCert]
	decision := dane.Decide(rollOf(status.TLSA), dane.Facts{
		Best: dane.Key(s.cert), Handed: dane.Key(handed), HandedExpired: dane.Expired(handed, r.Now()),
		TTL: longestTTL(s.before), Now: r.Now(),
	})
	status.TLSA = tlsaStatus(decision.State)
	s.tlsa.keys, s.tlsa.after = decision.Keys, decision.After
	if decision.Hold {
		s.cert, s.key = handed, s.mounted.Data[engine.KeyTLSKey]
		s.fed.Status.Certificate = pki.Judge(s.cert, s.key, nil, r.Now()).Certificate
		s.tlsa.waiting = fmt.Sprintf("the newest certificate has another key and is handed to the server once every resolver can know "+
			"its TLSA record, %s after all authoritative servers do", longestTTL(s.before))
	}
}

// mayPublishTLSA tells whether anybody would heed TLSA records. When nobody can tell, what was decided before stands.
func (r *FederationReconciler) mayPublishTLSA(s *scope) bool {
	before := s.fed.Status.TLSA != nil
	if len(s.addresses) == 0 {
		return before
	}
	provider, err := r.Zones.Provider(s.apexes[desired.Hostname(s.fed)], s.fed)
	if err != nil {
		return before // publishing tells
	}
	unsigned, err := r.signed(s.fed, provider)
	switch {
	case err != nil && before:
		return true
	case err != nil:
		s.tlsa = tlsaPlan{unsigned: true, why: told(err)}
		s.lookAgain("signing", recheckSigning)
		return false
	case unsigned != "":
		s.tlsa = tlsaPlan{unsigned: true, why: unsigned}
		return false
	}
	return true
}

// noteTLSA notes whether every authoritative server has the records.
func (r *FederationReconciler) noteTLSA(s *scope, report zoneReport) {
	if s.fed.Status.TLSA == nil || len(s.tlsa.keys) == 0 {
		return
	}
	for _, record := range desired.TLSARecords(s.fed, s.tlsa.keys...) {
		if !report.published(record.Key()) {
			return
		}
	}
	before := rollOf(s.fed.Status.TLSA)
	state := before.Published(clock.Stamp(r.Now()))
	if state != before {
		s.tlsa.after = clock.Left(state.Since, r.Now(), longestTTL(s.fed))
	}
	s.fed.Status.TLSA = tlsaStatus(state)
}

// confirmTLSA notes that every pod serves the certificate which was handed over. What was published for another key is
// not needed any more.
func confirmTLSA(s *scope) {
	if key := dane.Key(s.cert); s.fed.Status.TLSA != nil && s.fed.Status.TLSA.ServedKey != key {
		s.fed.Status.TLSA.ServedKey = key
		s.tlsa.after = recheckRollout
	}
}

// longestTTL is how long resolvers may keep what stands, or stood, in the DNS.
func longestTTL(fed *v1alpha1.Federation) time.Duration {
	ttl := fed.Spec.DNS.TTL
	for _, record := range fed.Status.Records {
		if record.Type == dns.TypeName(dns.TypeTLSA) {
			ttl = max(ttl, record.TTL)
		}
	}
	return time.Duration(ttl) * time.Second
}

func rollOf(status *v1alpha1.TLSAStatus) dane.State {
	if status == nil {
		return dane.State{}
	}
	state := dane.State{Served: status.ServedKey, Next: status.NextKey}
	if status.NextKeyPublished != nil {
		state.Since = status.NextKeyPublished.Time
	}
	return state
}

func tlsaStatus(state dane.State) *v1alpha1.TLSAStatus {
	status := &v1alpha1.TLSAStatus{ServedKey: state.Served, NextKey: state.Next}
	if !state.Since.IsZero() {
		since := metav1.NewTime(state.Since)
		status.NextKeyPublished = &since
	}
	return status
}
