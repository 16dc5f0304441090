// SPDX-License-Identifier: Apache-2.0

//go:build envtest

package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/pki"
)

func (w *world) newNamespace(prefix string) string {
	w.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix}}
	w.Expect(w.api.Create(w.t.Context(), namespace)).To(gomega.Succeed())
	return namespace.Name
}

func (w *world) newNamespaceNamed(name string) {
	w.t.Helper()
	err := w.api.Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	w.Expect(client.IgnoreAlreadyExists(err)).To(gomega.Succeed())
}

// createKey creates or replaces the Secret with the TSIG key.
func (w *world) createKey(value string) {
	w.t.Helper()
	w.put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "xmppfed-system", Name: "fed-tsig"}, StringData: map[string]string{"secret": value},
	})
}

// put creates an object or replaces it.
func (w *world) put(obj client.Object) {
	w.t.Helper()
	err := w.api.Create(w.t.Context(), obj)
	if apierrors.IsAlreadyExists(err) {
		err = w.api.Update(w.t.Context(), obj)
	}
	w.Expect(err).NotTo(gomega.HaveOccurred())
}

// createZone creates a DNSZone whose name is its apex with '-' for '.'. Without a selector every namespace may publish.
func (w *world) createZone(name string, selector *v1alpha1.NamespaceSelector) *v1alpha1.DNSZone {
	w.t.Helper()
	apexes := map[string]v1alpha1.DomainName{
		"cupdomain-com": "cupdomain.com", "conference-cupdomain-com": "conference.cupdomain.com", "example-com": "example.com",
	}
	w.Expect(apexes).To(gomega.HaveKey(name))
	zone := &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: apexes[name],
			Provider: v1alpha1.DNSProvider{RFC2136: &v1alpha1.RFC2136Provider{
				Servers: []v1alpha1.ServerAddress{"203.0.113.53:53"},
				TSIG: v1alpha1.TSIGKey{KeyName: "fed-key", SecretRef: v1alpha1.SecretKey{
					SecretName: v1alpha1.SecretName{Name: "fed-tsig"}, Key: "secret",
				}},
			}},
			Namespaces: &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll},
		},
	}
	if selector != nil {
		zone.Spec.Namespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesSelector, Selector: selector}
	}
	w.Expect(w.api.Create(w.t.Context(), zone)).To(gomega.Succeed())
	return zone
}

// newWorldOf is a world in which every namespace may publish in cupdomain.com, which has another provider.
func newWorldOf(t *testing.T, provider v1alpha1.DNSProvider) *world {
	t.Helper()
	w := newWorld(t)
	w.Expect(w.api.Create(t.Context(), &v1alpha1.DNSZone{
		ObjectMeta: metav1.ObjectMeta{Name: "cupdomain-com"},
		Spec: v1alpha1.DNSZoneSpec{
			Zone: "cupdomain.com", Provider: provider, Namespaces: &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesAll},
		},
	})).To(gomega.Succeed())
	w.reconcileZone("cupdomain-com")
	return w
}

// getZone reads a DNSZone.
func (w *world) getZone(name string) *v1alpha1.DNSZone {
	w.t.Helper()
	zone := &v1alpha1.DNSZone{}
	w.Expect(w.api.Get(w.t.Context(), client.ObjectKey{Name: name}, zone)).To(gomega.Succeed())
	return zone
}

// whenServing has what is published wait for the server, which is the default.
func whenServing(fed *v1alpha1.Federation) {
	fed.Spec.DNS.PublicationPolicy = v1alpha1.PublishWhenServing
}

// create creates a Federation for cupdomain.com with group chat, whose records wait for no server unless an edit says so.
func (w *world) create(name string, edits ...func(*v1alpha1.Federation)) *v1alpha1.Federation {
	w.t.Helper()
	fed := &v1alpha1.Federation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{"cupdomain.com"},
			Server:  v1alpha1.ServerSpec{GroupChat: &v1alpha1.GroupChatSpec{Subdomain: "conference"}},
			DNS:     v1alpha1.DNSSpec{Hostname: "cup1.cupdomain.com", PublicationPolicy: v1alpha1.PublishImmediately},
		},
	}
	for _, edit := range edits {
		edit(fed)
	}
	w.Expect(w.api.Create(w.t.Context(), fed)).To(gomega.Succeed())
	return fed
}

func (w *world) get(name string) *v1alpha1.Federation {
	w.t.Helper()
	fed := &v1alpha1.Federation{}
	w.Expect(w.api.Get(w.t.Context(), w.key(name), fed)).To(gomega.Succeed())
	return fed
}

// change changes the spec or the metadata of a Federation.
func (w *world) change(name string, edit func(*v1alpha1.Federation)) {
	w.t.Helper()
	fed := w.get(name)
	edit(fed)
	w.Expect(w.api.Update(w.t.Context(), fed)).To(gomega.Succeed())
}

func (w *world) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: name}
}

// read reads an object of the world's namespace; kind tells its type.
func read[T any, P interface {
	*T
	client.Object
}](w *world, name string) P {
	w.t.Helper()
	obj := P(new(T))
	w.Expect(w.api.Get(w.t.Context(), w.key(name), obj)).To(gomega.Succeed())
	return obj
}

// exists tells whether there is such an object.
func (w *world) exists(obj client.Object, name string) bool {
	w.t.Helper()
	err := w.api.Get(w.t.Context(), w.key(name), obj)
	w.Expect(client.IgnoreNotFound(err)).To(gomega.Succeed())
	return err == nil
}

// assignAddress plays the cloud's load balancer. No address takes the one there was away.
func (w *world) assignAddress(fed string, addresses ...string) {
	w.t.Helper()
	service := read[corev1.Service](w, fed+"-s2s")
	service.Status.LoadBalancer.Ingress = nil
	for _, address := range addresses {
		service.Status.LoadBalancer.Ingress = append(service.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: address})
	}
	w.Expect(w.api.Status().Update(w.t.Context(), service)).To(gomega.Succeed())
}

// runServer plays the StatefulSet controller and the kubelet: one pod, running and ready.
func (w *world) runServer(fed string) {
	w.t.Helper()
	w.createPod(fed, func(status *corev1.PodStatus) {
		w.pods++
		status.Phase, status.PodIP = corev1.PodRunning, fmt.Sprintf("10.244.0.%d", w.pods)
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	})
	set := read[appsv1.StatefulSet](w, fed)
	set.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: set.Generation, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1, CurrentReplicas: 1, AvailableReplicas: 1,
	}
	w.Expect(w.api.Status().Update(w.t.Context(), set)).To(gomega.Succeed())
}

// createPod creates the pod of a Federation as its StatefulSet wants it, with the given status.
func (w *world) createPod(fed string, edit func(*corev1.PodStatus)) *corev1.Pod {
	w.t.Helper()
	set := read[appsv1.StatefulSet](w, fed)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: fed + "-0",
			Labels: set.Spec.Template.Labels, Annotations: set.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
		},
		Spec: *set.Spec.Template.Spec.DeepCopy(),
	}
	pod.Spec.NodeName = "node"
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-" + fed + "-0"},
	}})
	w.Expect(w.api.Create(w.t.Context(), pod)).To(gomega.Succeed())
	edit(&pod.Status)
	w.Expect(w.api.Status().Update(w.t.Context(), pod)).To(gomega.Succeed())
	return pod
}

// warn plays a component of the cluster that reports trouble with an object.
func (w *world) warn(about client.Object, kind, reason, message string) {
	w.t.Helper()
	w.Expect(w.api.Create(w.t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: about.GetNamespace(), GenerateName: "warning-"},
		InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: about.GetNamespace(), Name: about.GetName(), UID: about.GetUID()},
		Type:           corev1.EventTypeWarning, Reason: reason, Message: message, LastTimestamp: metav1.Now(),
	})).To(gomega.Succeed())
}

// server plays the XMPP server in the pods: it runs at once whatever the cluster holds, unless told otherwise.
type server struct {
	world *world
	// silent servers do not answer; lagging ones run an older configuration; rejected tells why the newest is refused.
	silent, lagging bool
	rejected        string
	// behind servers go on with what they ran when they were asked last.
	behind bool
	last   engine.LiveStatus
	// refuses is a domain to which streams are refused.
	refuses string
	// counted is what the servers have refused and delayed since they started.
	counted engine.LiveLimits
	// volume is how full the data volume of each server is.
	volume engine.LiveVolume
}

func (s *server) status(ctx context.Context, podIP, token string) (engine.LiveStatus, error) {
	if s.silent {
		return engine.LiveStatus{}, errors.New("connection refused")
	}
	var config corev1.ConfigMap
	var secret corev1.Secret
	mounted := s.world.key(s.federationOf(ctx, podIP) + "-server")
	if err := errors.Join(s.world.api.Get(ctx, mounted, &config), s.world.api.Get(ctx, mounted, &secret)); err != nil {
		return engine.LiveStatus{}, err
	}
	if token != string(secret.Data[engine.KeyToken]) {
		return engine.LiveStatus{}, errors.New("401 Unauthorized")
	}
	if s.lagging {
		return engine.LiveStatus{Version: "13.0.1", Generation: "old", SecretGeneration: "old"}, nil
	}
	if s.behind {
		return s.last, nil
	}
	live, err := liveStatus(config.Data, secret.Data, s.world.now)
	live.ConfigError, live.Limits, live.Volume = s.rejected, s.counted, s.volume
	s.last = live
	return live, err
}

// liveStatus is that of a server which runs what the cluster holds.
func liveStatus(config map[string]string, secret map[string][]byte, now time.Time) (engine.LiveStatus, error) {
	rendered, err := renderedGeneration(config)
	verdict := pki.Judge(secret[engine.KeyTLSCert], secret[engine.KeyTLSKey], nil, now)
	return engine.LiveStatus{
		Version: "13.0.1", Generation: rendered, SecretGeneration: string(secret[engine.KeyGeneration]),
		Certificate: engine.LiveCertificate{Serial: verdict.Certificate.Serial},
	}, err
}

// federationOf is the Federation that the pod with an address belongs to.
func (s *server) federationOf(ctx context.Context, podIP string) string {
	var pods corev1.PodList
	s.world.Expect(s.world.api.List(ctx, &pods, client.InNamespace(s.world.namespace))).To(gomega.Succeed())
	for _, pod := range pods.Items {
		if pod.Status.PodIP == podIP {
			return pod.Labels["xmppfed.io/federation"]
		}
	}
	return ""
}

// configOf is the configuration of the pod with an address.
func (s *server) configOf(ctx context.Context, podIP string) string {
	var config corev1.ConfigMap
	if err := s.world.api.Get(ctx, s.world.key(s.federationOf(ctx, podIP)+"-server"), &config); err != nil {
		return ""
	}
	return config.Data["prosody.cfg.lua"]
}

// edit changes the zone as its administrator does, past the operator.
func (w *world) edit(records ...dns.RRset) { w.zone.Edit(dns.Change{Put: records}) }

func addressRecord(name, address string) dns.RRset {
	return dns.AddressRecords(name, 300, []netip.Addr{netip.MustParseAddr(address)})[0]
}

// records of the zone without the ownership records and the name server.
func (w *world) records() []string {
	var lines []string
	for _, line := range w.zone.Dump() {
		if !isBookkeeping(line) {
			lines = append(lines, line)
		}
	}
	return lines
}
