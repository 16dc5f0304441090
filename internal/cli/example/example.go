// SPDX-License-Identifier: Apache-2.0

// Package example is the Federation that the documentation shows and the tests of the command line's layout use: a day in
// the life of cupdomain.com.
package example

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Now is the time at which everything here happens.
func Now() time.Time { return time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) metav1.Time { return metav1.NewTime(Now().Add(-d)) }

const (
	created = 41 * 24 * time.Hour
	address = "203.0.113.128"
)

// Spec is that of config/samples, with partners, and with the defaults that admission fills in.
func Spec() *v1alpha1.Federation {
	return &v1alpha1.Federation{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Federation"},
		ObjectMeta: metav1.ObjectMeta{Name: "cup", Namespace: "chat", Generation: 3, CreationTimestamp: ago(created)},
		Spec: v1alpha1.FederationSpec{
			Domains: []v1alpha1.DomainName{"cupdomain.com"},
			Server: v1alpha1.ServerSpec{
				Engine: v1alpha1.EngineProsody, Replicas: 1, Storage: v1alpha1.StorageSpec{Size: resource.MustParse("1Gi")},
				GroupChat: &v1alpha1.GroupChatSpec{Subdomain: "conference"},
				Accounts:  &v1alpha1.AccountsSpec{SecretRef: v1alpha1.SecretName{Name: "cup-accounts"}},
			},
			Exposure: v1alpha1.ExposureSpec{Port: 5269, LoadBalancer: v1alpha1.LoadBalancerSpec{
				ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyCluster,
			}},
			DNS: v1alpha1.DNSSpec{Hostname: "cup1.cupdomain.com", TTL: 300, DeletionPolicy: v1alpha1.DeletionPolicyDelete},
			TLS: &v1alpha1.TLSSpec{SecretRef: &v1alpha1.SecretName{Name: "cup-tls"}},
			PeerDefaults: v1alpha1.PeerDefaults{
				Access: v1alpha1.PeerAccessAllow, TLS: v1alpha1.PeerTLSRequired, Authentication: v1alpha1.PeerAuthenticationCertificate,
			},
			Peers: []v1alpha1.Peer{
				{Domain: "gmail.com", Access: v1alpha1.PeerAccessAllow},
				{Domain: "talk.example", Access: v1alpha1.PeerAccessAllow, Profile: v1alpha1.PeerProfileGoogleTalk,
					AcknowledgeInsecure: true},
				{Domain: "sametime.example", Access: v1alpha1.PeerAccessAllow, Profile: v1alpha1.PeerProfileSametime},
				{Domain: "spam.example", Access: v1alpha1.PeerAccessDeny},
			},
			Verification: v1alpha1.VerificationSpec{Interval: metav1.Duration{Duration: 5 * time.Minute}},
		},
	}
}

// Healthy federates with all its partners but one, whose certificate has expired.
func Healthy() *v1alpha1.Federation {
	fed := Spec()
	status := &fed.Status
	status.ObservedGeneration = fed.Generation
	status.Addresses, status.Hostname = []string{address}, desired.Hostname(fed)
	status.Zones = []string{"cupdomain.com"}
	status.Certificate = &v1alpha1.CertificateStatus{
		Issuer: "CN=Lab CA,O=Public CA", NotAfter: metav1.NewTime(Now().Add(62 * 24 * time.Hour)), Serial: "3F9A01C4D2",
		Names: desired.AddressableDomains(fed),
	}
	status.Server = &v1alpha1.ServerStatus{Engine: v1alpha1.EngineProsody, Version: "13.0.1", ReadyReplicas: 1}
	status.PeersReachable = "2/3"
	status.Peers = peers(fed)
	for _, unit := range desired.Units(fed, nil, []netip.Addr{netip.MustParseAddr(address)}) {
		for _, set := range unit.Records {
			status.Records = append(status.Records, v1alpha1.RecordStatus{
				Name: dns.Display(set.Name), Type: set.TypeName(), TTL: int32(set.TTL), Data: set.Strings(),
				State: v1alpha1.RecordPublished,
			})
		}
	}
	slices.SortFunc(status.Records, func(a, b v1alpha1.RecordStatus) int { return cmp.Compare(a.Name, b.Name) })
	reached := []struct{ condition, reason, message string }{
		{v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted, "the spec can be carried out"},
		{v1alpha1.ConditionCertificateReady, v1alpha1.ReasonValid,
			"Secret chat/cup-tls: the certificate names cupdomain.com, conference.cupdomain.com"},
		{v1alpha1.ConditionServerReady, v1alpha1.ReasonRunning, "1 of 1 pods run Prosody 13.0.1"},
		{v1alpha1.ConditionAddressAssigned, v1alpha1.ReasonAssigned, address + " from the load balancer of Service cup-s2s"},
		{v1alpha1.ConditionDNSPublished, v1alpha1.ReasonPublished, "3 record sets are served by every authoritative server"},
		{v1alpha1.ConditionInboundReachable, v1alpha1.ReasonReachable, "partners find cupdomain.com, conference.cupdomain.com in " +
			"public DNS and reach them at cup1.cupdomain.com"},
		{v1alpha1.ConditionAvailable, v1alpha1.ReasonReachable,
			"partners reach cupdomain.com, conference.cupdomain.com: checked from public DNS"},
		{v1alpha1.ConditionReady, v1alpha1.ReasonReady, "cupdomain.com federates"},
	}
	for _, r := range reached {
		set(fed, metav1.ConditionTrue, r.condition, r.reason, r.message, created)
	}
	set(fed, metav1.ConditionFalse, v1alpha1.ConditionPeersReachable, v1alpha1.ReasonPeerCertificateInvalid, expired, 3*time.Hour)
	return fed
}

const expired = "the certificate of sametime.example has expired. The administrator of sametime.example must renew it"

func set(fed *v1alpha1.Federation, status metav1.ConditionStatus, condition, reason, message string, since time.Duration) {
	meta.SetStatusCondition(&fed.Status.Conditions, metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: message,
		ObservedGeneration: fed.Generation, LastTransitionTime: ago(since),
	})
}

func peers(fed *v1alpha1.Federation) []v1alpha1.PeerStatus {
	all := make([]v1alpha1.PeerStatus, 0, len(fed.Spec.Peers))
	for _, peer := range fed.Spec.Peers {
		policy := peer.Policy(fed.Spec.PeerDefaults)
		all = append(all, v1alpha1.PeerStatus{
			Domain: string(peer.Domain), Policy: &policy, Reachable: metav1.ConditionTrue, Reason: v1alpha1.ReasonPeerReachable,
			LastTransitionTime: ago(6 * 24 * time.Hour),
		})
	}
	gmail, talk, sametime, spam := &all[0], &all[1], &all[2], &all[3]
	gmail.Encrypted, gmail.Authentication, gmail.RoundTrip = true, "EXTERNAL", &metav1.Duration{Duration: 38 * time.Millisecond}
	talk.Authentication, talk.RoundTrip = "dialback", &metav1.Duration{Duration: 121 * time.Millisecond}
	sametime.Reachable, sametime.Reason, sametime.Message = metav1.ConditionFalse, v1alpha1.ReasonPeerCertificateInvalid, expired
	sametime.LastTransitionTime = ago(3 * time.Hour)
	spam.Reachable, spam.Reason = metav1.ConditionUnknown, v1alpha1.ReasonPeerDenied
	return all
}

// Closed is Healthy with a firewall in front that drops what comes from outside, and a certificate that ends soon.
func Closed() *v1alpha1.Federation {
	fed := Healthy()
	const message = "at 203.0.113.128:5269 (cup1.cupdomain.com): TCP connections get no answer. Check the firewalls on the way, " +
		"spec.exposure.loadBalancer.sourceRanges, and that the load balancer has this address"
	for _, condition := range []string{v1alpha1.ConditionInboundReachable, v1alpha1.ConditionReady} {
		set(fed, metav1.ConditionFalse, condition, v1alpha1.ReasonConnectionTimeout, message, 4*time.Minute)
	}
	set(fed, metav1.ConditionTrue, v1alpha1.ConditionReconciling, v1alpha1.ReasonConnectionTimeout, message, 4*time.Minute)
	set(fed, metav1.ConditionFalse, v1alpha1.ConditionAvailable, v1alpha1.ReasonUnreachable,
		"partners don't reach cupdomain.com, conference.cupdomain.com: 203.0.113.128:5269: TCP connections get no answer", 4*time.Minute)
	fed.Status.Certificate.NotAfter = metav1.NewTime(Now().Add(9*24*time.Hour + time.Hour))
	return fed
}

// Degraded is Healthy after somebody deleted the Secret of its certificate, which the server still has.
func Degraded() *v1alpha1.Federation {
	fed := Healthy()
	const message = "Secret chat/cup-tls, named by spec.tls.secretRef, does not exist; create it with type kubernetes.io/tls and a " +
		"certificate for cupdomain.com, conference.cupdomain.com"
	const still = message + "; partners still reach cupdomain.com, conference.cupdomain.com: checked from public DNS"
	set(fed, metav1.ConditionFalse, v1alpha1.ConditionCertificateReady, v1alpha1.ReasonSecretNotFound, message, 4*time.Minute)
	set(fed, metav1.ConditionFalse, v1alpha1.ConditionReady, v1alpha1.ReasonSecretNotFound, still, 4*time.Minute)
	set(fed, metav1.ConditionTrue, v1alpha1.ConditionReconciling, v1alpha1.ReasonSecretNotFound, still, 4*time.Minute)
	return fed
}

// Fresh was created a moment ago; nobody has looked at it.
func Fresh() *v1alpha1.Federation {
	fed := Spec()
	fed.Name, fed.Generation, fed.CreationTimestamp = "new", 1, ago(time.Second)
	fed.Spec.Domains, fed.Spec.DNS.Hostname = []v1alpha1.DomainName{"new.example"}, ""
	return fed
}

// Live is what the server of Healthy says of itself.
func Live() []engine.LiveStatus {
	return []engine.LiveStatus{{
		Sessions: sessions(),
		Limits:   engine.LiveLimits{MemoryBytes: 41 << 20, MemoryLimitBytes: 256 << 20},
		Volume:   engine.LiveVolume{Bytes: 974 << 20, UsedBytes: 12 << 20, Files: 65536, UsedFiles: 310},
	}}
}

func sessions() []engine.Session {
	return []engine.Session{
		{Direction: "outgoing", Local: "cupdomain.com", Remote: "gmail.com", Secure: true, TLSVersion: "TLSv1.3",
			Authentication: "EXTERNAL", Age: 5025},
		{Direction: "incoming", Local: "cupdomain.com", Remote: "gmail.com", Secure: true, TLSVersion: "TLSv1.3",
			Authentication: "EXTERNAL", Age: 5024},
		{Direction: "outgoing", Local: "cupdomain.com", Remote: "talk.example", Authentication: "dialback", Age: 62},
		{Direction: "outgoing", Local: "conference.cupdomain.com", Remote: "sametime.example", Secure: true, TLSVersion: "TLSv1.2",
			Age: 3, Queue: 2},
	}
}
