// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Two Federations that swap domains without a gap hand them over one after the other, as the guide says: at each step, each domain has a
// service record.
func TestDomainsAreSwappedByTwoHandovers(t *testing.T) {
	w := newWorldWithZone(t)
	names, _ := w.circle(2, false, false)
	owner := func(name string) string { return w.get(name).Status.DNSOwner }
	answering := func(step string) {
		t.Helper()
		for range 8 {
			for _, name := range names {
				w.reconcile(name)
				for _, domain := range []string{"d0", "d1"} {
					w.Expect(w.records()).To(gomega.ContainElement(gomega.HavePrefix("_xmpp-server._tcp."+domain+".cupdomain.com. ")),
						step+": "+strings.Join(w.records(), "\n"))
				}
			}
			w.pass(time.Minute)
		}
	}
	want := func(name, to string, domains ...v1alpha1.DomainName) {
		w.change(name, func(fed *v1alpha1.Federation) { fed.Spec.Domains, fed.Spec.DNS.TransferTo = domains, to })
	}
	leads := func(domain, host string) {
		t.Helper()
		w.Expect(w.records()).To(gomega.ContainElement("_xmpp-server._tcp." + domain + ".cupdomain.com. 300 SRV 0 0 5269 " + host + ".cupdomain.com."))
	}
	want("n1", "", "d1.cupdomain.com", "d0.cupdomain.com")
	want("n0", owner("n1"), "d0.cupdomain.com")
	answering("the first is handed over")
	leads("d0", "h1")
	want("n0", "", "d1.cupdomain.com")
	want("n1", owner("n0"), "d1.cupdomain.com", "d0.cupdomain.com")
	answering("the second is handed over")
	leads("d1", "h0")
	want("n1", "", "d0.cupdomain.com")
	answering("the end")
	leads("d0", "h1")
	leads("d1", "h0")
}
