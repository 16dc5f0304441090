// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/testkit"
)

const (
	// crowd is how many Federations change meanwhile; of these, passers also come and go.
	crowd, passers = 8, 5
	// longestLife of an operator between two kills. It takes about a second to begin to work.
	longestLife = 4 * time.Second
	// longestPause between two changes.
	longestPause = 200 * time.Millisecond
)

// kills are those of TestKillOperator.
var kills = testkit.Campaign(20, 50)

// The operator is killed again and again at random moments while Federations are created, changed and deleted. In the end the
// zone holds exactly the records of those that are left, ownership records included, and no Service ever lost or
// changed its address.
func TestKillOperator(t *testing.T) {
	needs(t, exclusive(theOperator), shared(publicDNS))
	s := newAllowedSite(t)
	before := s.transfer()
	addresses := s.watchAddresses()
	crowd := s.startCrowd()

	for range kills {
		alive := time.NewTimer(rand.N(longestLife))
		<-alive.C
		s.Eventually(func() error {
			_, err := lab.Run(s.ctx, "kill-operator")
			return err
		}, time.Minute, poll).Should(Succeed(), "an operator to kill")
	}
	counts := crowd.stop()

	var left v1alpha1.FederationList
	s.Eventually(func(g Gomega) {
		g.Expect(cluster.List(s.ctx, &left, client.InNamespace(s.namespace))).To(Succeed())
		for i := range left.Items {
			fed := &left.Items[i]
			g.Expect(fed.DeletionTimestamp).To(BeNil(), "deletion of %s", fed.Name)
			published := s.condition(fed, v1alpha1.ConditionDNSPublished)
			g.Expect(published.Status).To(Equal(metav1.ConditionTrue), "%s: %s", fed.Name, published.Message)
			g.Expect(fed.Status.FormerHosts).To(BeEmpty(), "former hosts of %s", fed.Name)
		}
	}, 2*time.Minute, poll).Should(Succeed())
	var expected []*v1alpha1.Federation
	for i := range left.Items {
		expected = append(expected, &left.Items[i])
	}
	records := normalize(without(s.transfer(), before))
	s.Expect(records).To(Equal(s.expectedRecords(expected...)))
	s.Eventually(addresses.count, soon, poll).Should(BeNumerically(">=", len(expected)), "addresses that were watched")
	t.Logf("%d kills during %s: %d Federations and %d records in the end, as expected; no address of %d Services lost",
		kills, counts, len(expected), len(records), addresses.check(s))
}

// crowdOfFederations changes all the time.
type crowdOfFederations struct {
	*site
	end    context.CancelFunc
	done   chan struct{}
	counts crowdCounts
}

type crowdCounts struct{ created, changed, deleted int }

func (c crowdCounts) String() string {
	return fmt.Sprintf("%d creations, %d changes, %d deletions", c.created, c.changed, c.deleted)
}

func (s *site) startCrowd() *crowdOfFederations {
	ctx, end := context.WithCancel(s.ctx)
	c := &crowdOfFederations{site: s, end: end, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			pause := time.NewTimer(rand.N(longestPause))
			<-pause.C
			if err := c.act(); err != nil {
				s.Errorf("changing a Federation: %v", err)
			}
		}
	}()
	s.Cleanup(func() { c.stop() })
	return c
}

// stop returns what was done.
func (c *crowdOfFederations) stop() crowdCounts {
	c.end()
	<-c.done
	return c.counts
}

// act creates a Federation, or changes or deletes it if it exists.
func (c *crowdOfFederations) act() error {
	number := rand.N(crowd)
	domain := fmt.Sprintf("kill%d.%s", number, zone)
	fed := withoutPods(c.federation(domain))
	err := cluster.Get(c.ctx, client.ObjectKeyFromObject(fed), fed)
	switch {
	case apierrors.IsNotFound(err):
		c.counts.created++
		return cluster.Create(c.ctx, fed)
	case err != nil:
		return err
	case !fed.DeletionTimestamp.IsZero():
		return nil
	case number < passers && rand.N(4) == 0:
		c.counts.deleted++
		return client.IgnoreNotFound(cluster.Delete(c.ctx, fed))
	}
	c.counts.changed++
	before := fed.DeepCopy()
	alter(fed, domain)
	return client.IgnoreNotFound(cluster.Patch(c.ctx, fed, client.MergeFrom(before)))
}

// alter changes something that the records show.
func alter(fed *v1alpha1.Federation, domain string) {
	switch rand.N(5) {
	case 0:
		fed.Spec.Exposure.Port = 5000 + rand.N[int32](1000)
	case 1:
		fed.Spec.DNS.Weight = rand.N[int32](100)
	case 2:
		fed.Spec.DNS.Hostname = v1alpha1.DomainName(fmt.Sprintf("host%d.%s", rand.N(3), domain))
	case 3:
		if fed.Spec.Server.GroupChat == nil {
			fed.Spec.Server.GroupChat = &v1alpha1.GroupChatSpec{Subdomain: "conference"}
		} else {
			fed.Spec.Server.GroupChat = nil
		}
	default:
		fed.Spec.Domains = []v1alpha1.DomainName{v1alpha1.DomainName(domain)}
		for i := range rand.N(3) {
			fed.Spec.Domains = append(fed.Spec.Domains, v1alpha1.DomainName(fmt.Sprintf("more%d.%s", i, domain)))
		}
	}
}

// addressBook remembers the address of each Service and what went wrong with it.
type addressBook struct {
	mu        sync.Mutex
	addresses map[types.UID]string
	lost      []string
	closed    bool // by the test
}

// watchAddresses follows the public Services of the site until the end of the test.
func (s *site) watchAddresses() *addressBook {
	s.Helper()
	book := &addressBook{addresses: map[types.UID]string{}}
	changes, err := cluster.Watch(s.ctx, &corev1.ServiceList{}, client.InNamespace(s.namespace))
	s.must(err)
	s.Cleanup(func() {
		book.close()
		changes.Stop()
	})
	go func() {
		for change := range changes.ResultChan() {
			service, ok := change.Object.(*corev1.Service)
			if ok && service.Spec.Type == corev1.ServiceTypeLoadBalancer {
				book.note(s, change.Type, service)
			}
		}
		book.ended()
	}()
	return book
}

// close says that the test needs no more.
func (b *addressBook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// ended is the end of the watch: too early, unless the test closed the book.
func (b *addressBook) ended() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.lost = append(b.lost, "sight of all Services: the API server ended the watch")
	}
}

func (b *addressBook) note(s *site, change watch.EventType, service *corev1.Service) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !service.DeletionTimestamp.IsZero() || change == watch.Deleted {
		var fed v1alpha1.Federation
		owner := metav1.GetControllerOf(service)
		err := cluster.Get(s.ctx, client.ObjectKey{Namespace: service.Namespace, Name: owner.Name}, &fed)
		if err == nil && fed.UID == owner.UID && fed.DeletionTimestamp.IsZero() {
			b.lost = append(b.lost, service.Name+" was deleted while its Federation lives")
		}
		return
	}
	address := ""
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		address = ingress.IP
	}
	if had := b.addresses[service.UID]; had != "" && had != address {
		b.lost = append(b.lost, fmt.Sprintf("%s had %s, then %q", service.Name, had, address))
	}
	if address != "" {
		b.addresses[service.UID] = address
	}
}

func (b *addressBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.addresses)
}

// check fails the test if an address was lost, and returns how many there were.
func (b *addressBook) check(s *site) int {
	s.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Expect(b.lost).To(BeEmpty())
	return len(b.addresses)
}
