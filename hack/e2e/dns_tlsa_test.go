// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/dane"
	"github.com/xmppfed/xmppfed/internal/dns"
)

// The key of the certificate changes while the internet looks at the TLSA records and at the certificate all the time.
// Every certificate that is shown matches each answer that somebody may still have cached at that moment.
func TestTLSARollover(t *testing.T) {
	needs(t, usual, exclusive(signed))
	signed := testZone("e2e-signed", lab.SignedZone)
	if err := client.IgnoreAlreadyExists(cluster.Create(t.Context(), signed)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Delete(context.Background(), signed); err != nil {
			t.Error(err)
		}
	})
	s := newAllowedSite(t)
	const domain, ttl = "roll." + lab.SignedZone, 5
	s.furnish(domain, nil)
	fed := s.furnished(domain)
	fed.Spec.DNS.TTL, fed.Spec.DNS.TLSA = ttl, v1alpha1.TLSAEnabled
	unsigned := withoutPods(s.federation("unsigned." + zone))
	unsigned.Spec.DNS.TLSA = v1alpha1.TLSAEnabled
	s.create(fed, unsigned)
	s.mentions(s.await(unsigned, publishedWithin, v1alpha1.ConditionDNSPublished, metav1.ConditionTrue, v1alpha1.ReasonDANEUnsigned).Message,
		"no TLSA records are published", "the parent of zone "+zone+" has no DS record")
	s.Expect(s.records(lab.Primary, "_5269._tcp.xmpp.unsigned."+zone, dns.TypeTLSA)).To(BeEmpty())
	s.awaitReady(fed)

	w := s.watchRoll(fed)
	before := w.serves(lab.Primary)
	s.Expect(before).To(HaveLen(1))
	w.begin()
	fresh := s.certificate(domain)
	next := recordOf(dane.Key(fresh.Data[corev1.TLSCertKey]))
	began := time.Now()
	change(s, &corev1.Secret{ObjectMeta: fresh.ObjectMeta}, func(secret *corev1.Secret) { secret.Data = fresh.Data })
	var took []string
	for _, phase := range []struct {
		what  string
		there func() bool
	}{
		{"published", func() bool { return len(w.serves(lab.Secondary)) == 2 }},
		{"shown with its certificate", func() bool { return w.last() == next }},
		{"the only one at the name servers", func() bool { return slices.Equal(w.serves(lab.Secondary), []string{next}) }},
		{"the only one in caches", func() bool { return slices.Equal(w.serves(lab.Resolver), []string{next}) }},
	} {
		s.Eventually(phase.there, readyWithin, poll).Should(BeTrue(), "the new record to be %s", phase.what)
		took = append(took, fmt.Sprintf("%s after %.1f s", phase.what, time.Since(began).Seconds()))
	}
	w.end()
	t.Logf("the new record is %s", strings.Join(took, ", "))
	w.judge(before[0], next)
}

// recordOf a key is the data of its TLSA record.
func recordOf(key string) string { return "3 1 1 " + key }

// rollWatch looks at the records and at the certificate that is shown.
type rollWatch struct {
	*site
	fed  *v1alpha1.Federation
	name string
	stop context.CancelFunc
	done sync.WaitGroup

	mu sync.Mutex
	// answers that came, and what was shown.
	answers   []tlsaAnswer
	sightings []sighting
	// violations of what is promised.
	violations []string
}

// tlsaAnswer may be believed from the moment it was got until its TTL is over.
type tlsaAnswer struct {
	server     string
	got, until time.Time
	data       []string
}

// sighting is the record that would match the certificate which was shown at some moment between two.
type sighting struct {
	began, ended time.Time
	record       string
}

func (s *site) watchRoll(fed *v1alpha1.Federation) *rollWatch {
	return &rollWatch{site: s, fed: fed, name: "_5269._tcp.xmpp." + string(fed.Spec.Domains[0])}
}

// serves is what a server answers now.
func (w *rollWatch) serves(server string) []string {
	w.Helper()
	answer, err := lab.Resolve(w.ctx, server, w.name, dns.TypeTLSA)
	w.Expect(err).NotTo(HaveOccurred())
	return answer.Data
}

// last is the record that matches what was shown last.
func (w *rollWatch) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sightings) == 0 {
		return ""
	}
	return w.sightings[len(w.sightings)-1].record
}

func (w *rollWatch) begin() {
	ctx, stop := context.WithCancel(w.ctx)
	w.stop = stop
	w.Cleanup(w.end)
	w.done.Go(func() {
		for pause(ctx, poll) {
			for _, server := range []string{lab.Primary, lab.Secondary, lab.Resolver} {
				w.ask(server)
			}
		}
	})
	w.done.Go(func() {
		for pause(ctx, closely) {
			w.connect()
		}
	})
}

func (w *rollWatch) end() {
	w.stop()
	w.done.Wait()
}

// ask a server, and keep the answer. Nobody trusts what the resolver did not validate.
func (w *rollWatch) ask(server string) []string {
	began := time.Now()
	answer, err := lab.Resolve(w.ctx, server, w.name, dns.TypeTLSA)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.violations = append(w.violations, err.Error())
		return nil
	}
	if server == lab.Resolver && !answer.Validated {
		w.violations = append(w.violations, fmt.Sprintf("the resolver did not validate %v", answer.Data))
	}
	w.answers = append(w.answers, tlsaAnswer{server, time.Now(), began.Add(answer.TTL), answer.Data})
	return answer.Data
}

// connect as a partner does that looks at DANE: it asks its resolver and then verifies the certificate by the answer alone.
func (w *rollWatch) connect() {
	host := strings.TrimPrefix(w.name, "_5269._tcp.")
	arguments := []string{"-dane_tlsa_domain", host, "-dane_ee_no_namechecks"} // the record stands for all names (RFC 7671 section 5.1)
	for _, record := range w.ask(lab.Resolver) {
		arguments = append(arguments, "-dane_tlsa_rrdata", record)
	}
	began := time.Now()
	out := shown(w.ctx, w.fed.Status.Addresses[0], w.fed, arguments...)
	w.mu.Lock()
	defer w.mu.Unlock()
	key := dane.Key([]byte(out))
	switch {
	case key == "":
		w.Logf("%s: nothing was shown: %s", began.Format(time.TimeOnly), out) // on a busy machine
		return
	case !strings.Contains(out, "Verification: OK") || !strings.Contains(out, "matched EE certificate"):
		w.violations = append(w.violations, "openssl could not verify the certificate:\n"+out)
	}
	w.sightings = append(w.sightings, sighting{began, time.Now(), recordOf(key)})
}

// judge what was seen.
func (w *rollWatch) judge(before, after string) {
	w.Helper()
	both := []string{before, after}
	slices.Sort(both)
	seen, pairs := map[string]int{}, 0
	for _, a := range w.answers {
		seen[strings.Join(a.data, " and ")]++
		for _, c := range w.sightings {
			if c.began.Before(a.got) || c.ended.After(a.until) {
				continue
			}
			pairs++
			if !slices.Contains(a.data, c.record) {
				w.violations = append(w.violations, fmt.Sprintf("%s was shown %s after %s had answered %v, which may be kept for %s",
					c.record, c.ended.Sub(a.got), a.server, a.data, a.until.Sub(a.got)))
			}
		}
	}
	w.Expect(seen).To(And(HaveLen(3), HaveKey(before), HaveKey(strings.Join(both, " and ")), HaveKey(after)), "answers")
	w.Expect(w.violations[:min(len(w.violations), 5)]).To(BeEmpty(), "of %d violations", len(w.violations))
	w.Logf("%d certificates verified by openssl with what a validating resolver said; %d times one was shown while an answer could still be "+
		"cached, of %d answers: %d with the old record alone, %d with both, %d with the new one alone; 0 violations",
		len(w.sightings), pairs, len(w.answers), seen[before], seen[strings.Join(both, " and ")], seen[after])
}
