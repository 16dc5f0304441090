// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// circle is of Federations n0, n1 and so on, each with a domain and a host name of its own; after that each wants what the next has.
// It returns which edits lead there, in the order of the Federations.
func (w *world) circle(size int, domains, hosts bool) (names []string, turn func(i int)) {
	w.t.Helper()
	domain := func(i int) v1alpha1.DomainName { return v1alpha1.DomainName(fmt.Sprintf("d%d.cupdomain.com", i%size)) }
	host := func(i int) v1alpha1.DomainName { return v1alpha1.DomainName(fmt.Sprintf("h%d.cupdomain.com", i%size)) }
	for i := range size {
		names = append(names, fmt.Sprintf("n%d", i))
		w.create(names[i], named(host(i), domain(i)), addressed(fmt.Sprintf("203.0.113.%d", 10+i)))
	}
	w.rounds(2, names...)
	w.Expect(w.acceptedOf(names...)).To(gomega.Equal(names))
	return names, func(i int) {
		w.change(names[i], func(fed *v1alpha1.Federation) {
			if domains {
				fed.Spec.Domains = []v1alpha1.DomainName{domain(i + 1)}
			}
			if hosts {
				fed.Spec.DNS.Hostname = host(i + 1)
			}
		})
	}
}

// Fault: two that swap names were down for ever, as were any that stand in a circle.
func TestFederationsThatSwapNamesGetThem(t *testing.T) {
	for _, size := range []int{2, 3} {
		for what, kinds := range map[string][2]bool{"domains": {true, false}, "hosts": {false, true}, "both": {true, true}} {
			t.Run(fmt.Sprintf("%s of %d", what, size), func(t *testing.T) {
				w := newWorldWithZone(t)
				names, turn := w.circle(size, kinds[0], kinds[1])
				for i := range size {
					turn(i)
				}
				published := func() int {
					count := 0
					for _, name := range names {
						if meta.IsStatusConditionTrue(w.get(name).Status.Conditions, v1alpha1.ConditionDNSPublished) {
							count++
						}
					}
					return count
				}
				for range 12 {
					w.rounds(1, names...)
					w.pass(time.Minute)
				}
				w.Expect(published()).To(gomega.Equal(size), "%v", w.records())
				for i := range size {
					d, h := i, i
					if kinds[0] {
						d = (i + 1) % size
					}
					if kinds[1] {
						h = (i + 1) % size
					}
					w.Expect(w.records()).To(gomega.ContainElements(
						fmt.Sprintf("_xmpp-server._tcp.d%d.cupdomain.com. 300 SRV 0 0 5269 h%d.cupdomain.com.", d, h),
						fmt.Sprintf("h%d.cupdomain.com. 300 A 203.0.113.%d", h, 10+i),
					))
				}
				w.Expect(w.records()).To(gomega.HaveLen(2 * size))
				for _, name := range names {
					w.Expect(w.get(name).Status.Conflicts).To(gomega.BeEmpty())
				}
			})
		}
	}
}

// A Federation whose spec was changed before the others releases its old name and waits for the new one.
func TestASwapOfWhichHalfIsWrittenHarmsNobodyElse(t *testing.T) {
	w := newWorldWithZone(t)
	names, turn := w.circle(2, true, false)
	turn(0)
	w.rounds(2, names...)
	w.Expect(w.acceptedOf(names...)).To(gomega.Equal([]string{"n1"}))
	w.Expect(w.records()).To(gomega.Equal([]string{
		"_xmpp-server._tcp.d1.cupdomain.com. 300 SRV 0 0 5269 h1.cupdomain.com.",
		"h0.cupdomain.com. 300 A 203.0.113.10", "h1.cupdomain.com. 300 A 203.0.113.11",
	}))
	turn(1)
	w.rounds(4, "n1", "n0")
	w.Expect(w.acceptedOf(names...)).To(gomega.Equal(names))
	w.Expect(w.records()).To(gomega.ContainElements(
		"_xmpp-server._tcp.d1.cupdomain.com. 300 SRV 0 0 5269 h0.cupdomain.com.",
		"_xmpp-server._tcp.d0.cupdomain.com. 300 SRV 0 0 5269 h1.cupdomain.com.",
	))
}
