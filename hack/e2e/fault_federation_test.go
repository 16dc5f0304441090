// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/faults"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// examinedDomain is the Federation's.
const examinedDomain = "fault." + zone

// federationWard has a Federation with partners, as doctor examines it from outside and through the cluster.
func federationWard(s *site, doctor faults.Doctor) *ward {
	own := newAllowedSite(s.T)
	own.furnishRoots("roots-of-partners", "sametime.crt")
	fed := own.served(examinedDomain, "", map[string]string{"alice": "alices-password"})
	change(own, fed, func(fed *v1alpha1.Federation) {
		fed.Spec.TLS.TrustedCAs = append(fed.Spec.TLS.TrustedCAs, v1alpha1.TrustedCA{
			ConfigMapRef: v1alpha1.ConfigMapKey{Name: "roots-of-partners", Key: "sametime.crt"},
		})
		for domain, profile := range map[string]v1alpha1.PeerProfile{
			"gmail.com": v1alpha1.PeerProfileStandard, "ejabberd.example": v1alpha1.PeerProfileStandard,
			"sametime.example": v1alpha1.PeerProfileSametime, "talk.example": v1alpha1.PeerProfileGoogleTalk,
		} {
			fed.Spec.Peers = append(fed.Spec.Peers, v1alpha1.Peer{
				Domain: v1alpha1.DomainName(domain), Profile: profile, AcknowledgeInsecure: profile == v1alpha1.PeerProfileGoogleTalk,
			})
		}
	})
	own.awaitReady(fed)
	own.shortLived("gmail.com")
	prosodyctl := []string{"kubectl", "-n", fed.Namespace, "exec", fed.Name + "-0", "--", "prosodyctl"}
	return &ward{
		site: own, doctor: doctor, healthy: map[string][]check.Result{}, complaints: map[string]complaints{},
		args:   []string{fed.Name, "--namespace", fed.Namespace, "--kubeconfig", lab.Kubeconfig},
		target: faults.Target{Domain: examinedDomain, Prosodyctl: prosodyctl},
		faults: slices.Concat(own.ownFaults(fed), partnerFaults(prosodyctl), own.wayOutFaults(fed), own.driftFaults(fed)),
	}
}

// furnishRoots makes a ConfigMap of CA certificates of the lab.
func (s *site) furnishRoots(name, file string) {
	s.Helper()
	roots, err := os.ReadFile(lab.Dir + "/pki/" + file)
	s.must(err)
	s.create(&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: map[string]string{file: string(roots)},
	})
}

// shortLife is more than the second that records live.
const shortLife = 2 * time.Second

// shortLived has resolvers keep the service record of a domain for a second from now on, so that they see a change. What
// they have by now they keep for a minute, so it comes before everything else.
func (s *site) shortLived(domain string) {
	s.Helper()
	key := "_xmpp-server._tcp." + domain + " SRV"
	_, err := set(key, s.records(lab.Primary, "_xmpp-server._tcp."+domain, dns.TypeSRV)...)(s.ctx)
	s.must(err)
}

// withGmail has doctor try one partner beside what is ours.
var withGmail = []string{"--peer", "gmail.com"}

// ownFaults are those of what the operator looks after. It would mend most of them at once, so it is told to leave the
// Federation alone.
func (s *site) ownFaults(fed *v1alpha1.Federation) []oneFault {
	service := func() *corev1.Service { return s.publicService(fed) }
	return []oneFault{
		{
			name: "load balancer has another address", want: check.PublicAddress, args: withGmail, tls: true,
			inject: s.suspended(fed, func(ctx context.Context) (faults.Undo, error) {
				_, err := lab.Readdress(ctx, client.ObjectKeyFromObject(service()))
				return nil, err
			}),
		},
		{
			name: "public port changed, SRV not", want: check.ServicePort, args: withGmail, tls: true,
			inject: s.suspended(fed, faults.All(
				edited(fed, func(fed *v1alpha1.Federation) { fed.Spec.Exposure.Port = 15269 }),
				edited(service(), func(service *corev1.Service) { service.Spec.Ports[0].Port = 15269 }),
			)),
		},
		{
			name: "no pod behind the load balancer", want: check.LoadBalancer, args: withGmail, tls: true,
			inject: s.suspended(fed, s.scaledToNone(fed)),
		},
		{
			name: "packets dropped before the load balancer", want: check.TCP, args: withGmail, tls: true,
			inject: s.filtered("chain before { type filter hook prerouting priority -300; ip daddr %s tcp dport 5269 drop; }",
				func() string { return service().Status.LoadBalancer.Ingress[0].IP }),
		},
	}
}

// driftFaults come last: the kubelet may deliver what was wrong for a moment up to a minute later. It does so when it
// looks at the pod, which it is made to do before, for then it leaves the pod alone for a minute.
func (s *site) driftFaults(fed *v1alpha1.Federation) []oneFault {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: fed.Namespace, Name: name} }
	lookedAt := edited(&corev1.Pod{ObjectMeta: meta(fed.Name + "-0")}, func(pod *corev1.Pod) {
		pod.Annotations["fault-matrix"] = "look"
	})
	another := edited(&corev1.Secret{ObjectMeta: meta(fed.Name + "-server")}, func(secret *corev1.Secret) {
		secret.Data[engine.KeyDialbackSecret] = []byte("another-secret")
		secret.Data[engine.KeyGeneration] = []byte("another-generation")
	})
	return []oneFault{{
		name: "dialback secret of the server is another", want: check.Drift, args: withGmail,
		inject: s.suspended(fed, faults.All(lookedAt, faults.Expire(shortLife), another)),
	}}
}

// suspended has the operator leave the Federation alone while it has a fault.
func (s *site) suspended(fed *v1alpha1.Federation, inject faults.Injection) faults.Injection {
	return faults.All(func(ctx context.Context) (faults.Undo, error) {
		undo, err := edited(fed, func(fed *v1alpha1.Federation) { fed.Spec.Suspend = true })(ctx)
		s.await(fed, soon, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
		return undo, err
	}, inject)
}

// edited changes an object, and changes it back: to what it was before, but for what others changed meanwhile.
func edited[T client.Object](object T, edit func(T)) faults.Injection {
	return func(ctx context.Context) (faults.Undo, error) {
		object := object.DeepCopyObject().(T)
		if err := cluster.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return nil, fmt.Errorf("reading %s: %w", object.GetName(), err)
		}
		before := object.DeepCopyObject().(T)
		edit(object)
		changed := object.DeepCopyObject().(T)
		if err := cluster.Patch(ctx, object, client.MergeFrom(before)); err != nil {
			return nil, fmt.Errorf("changing %s: %w", object.GetName(), err)
		}
		return func(ctx context.Context) error { return cluster.Patch(ctx, before, client.MergeFrom(changed)) }, nil
	}
}

// filtered has the node's packet filter do as the rules say with an address of the Federation that is there then, and with no other's.
func (s *site) filtered(rules string, address func() string) faults.Injection {
	return func(ctx context.Context) (faults.Undo, error) {
		return faults.Filter("node", fmt.Sprintf(rules, address()))(ctx)
	}
}

// scaledToNone ends the server's pod, and waits until the load balancer has none left.
func (s *site) scaledToNone(fed *v1alpha1.Federation) faults.Injection {
	none := int32(0)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: fed.Namespace, Name: fed.Name}}
	scale := edited(set, func(set *appsv1.StatefulSet) { set.Spec.Replicas = &none })
	return func(ctx context.Context) (faults.Undo, error) {
		undo, err := scale(ctx)
		s.Eventually(func() bool {
			err := cluster.Get(ctx, client.ObjectKey{Namespace: fed.Namespace, Name: fed.Name + "-0"}, &corev1.Pod{})
			return client.IgnoreNotFound(err) == nil && err != nil
		}, time.Minute, poll).Should(BeTrue(), "the pod to be gone")
		return undo, err
	}
}

// wayOutFaults are between the pod and the rest of the world, and in what doctor itself sees.
func (s *site) wayOutFaults(fed *v1alpha1.Federation) []oneFault {
	resolver, err := faults.NewNameServer("198.51.100.10:5301", "gmail.com",
		"gmail.com. 1 SOA ns1.gmail.com. hostmaster.gmail.com. 1 5 2 3600 1")
	s.must(err)
	s.Cleanup(resolver.Close)
	resolver.Forward("10.96.0.10:53") // the cluster DNS itself
	proxy := newClockProxy(s)
	ours := func() string { return s.pod(fed).Status.PodIP }
	return []oneFault{
		{
			name: "no way out to port 5269", want: check.PartnerTCP, side: "gmail.com", args: withGmail,
			inject: faults.All(
				s.filtered("chain out { type filter hook forward priority 0; ip saddr %s tcp dport 5269 drop; }", ours),
				faults.Switch("gmail"), // restarted, so that no stream stands
			),
		},
		{
			name: "cluster DNS hides the partner", want: check.PartnerRecords, side: "gmail.com", args: withGmail,
			inject: faults.All(
				s.filtered("chain dns { type nat hook prerouting priority -110; ip saddr %s ip daddr 10.96.0.10 "+
					"udp dport 53 dnat ip to 198.51.100.10:5301; }", ours),
				faults.Switch("gmail"),
				faults.Expire(shortLife),
			),
		},
		{
			name: "clock two hours off", want: check.Clock, args: append([]string{"--kubeconfig", proxy.kubeconfig}, withGmail...),
			inject: proxy.shift(2 * time.Hour),
		},
	}
}
