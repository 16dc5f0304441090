// SPDX-License-Identifier: Apache-2.0

package desired

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// Object is any Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// ServerInput is what the spec says about the server's configuration. TrustedCAs is the bundle of spec.tls.trustedCAs.
func ServerInput(fed *v1alpha1.Federation, trustedCAs string) engine.Input {
	return engine.Input{
		Domains: domains(fed), GroupChat: groupChat(fed), TrustedCAs: trustedCAs, Replicas: fed.Spec.Server.Replicas, Former: former(fed),
		DirectTLS: opens(fed, engine.PortS2STLS), ClientDirectTLS: opens(fed, engine.PortC2STLS),
		PeerDefaults: fed.Spec.PeerDefaults.Policy(), Peers: peerPolicies(fed), Rooms: roomAudience(fed), Accounts: accountAudience(fed),
	}
}

// roomAudience says whom rooms are for, those included that are served only until partners have forgotten them.
func roomAudience(fed *v1alpha1.Federation) v1alpha1.Audience {
	if fed.Spec.Server.GroupChat == nil {
		return ""
	}
	return fed.Spec.Server.GroupChat.Access
}

// accountAudience says who learns which accounts there are.
func accountAudience(fed *v1alpha1.Federation) v1alpha1.Audience {
	if fed.Spec.Server.Accounts == nil {
		return ""
	}
	return fed.Spec.Server.Accounts.Visibility
}

// clientDirectTLS is nil where clients from outside have no port for direct TLS.
func clientDirectTLS(fed *v1alpha1.Federation) *v1alpha1.ClientDirectTLSSpec {
	if fed.Spec.Exposure.Clients == nil {
		return nil
	}
	return fed.Spec.Exposure.Clients.DirectTLS
}

// peerPolicies are the policies of the listed partners, in the form that engines take.
func peerPolicies(fed *v1alpha1.Federation) []engine.Peer {
	peers := make([]engine.Peer, 0, len(fed.Spec.Peers))
	for _, peer := range fed.Spec.Peers {
		one := engine.Peer{
			Domain: string(peer.Domain), Policy: peer.Policy(fed.Spec.PeerDefaults), Rate: int64(peer.KilobytesPerSecond) * 1000,
		}
		if peer.Route != nil {
			one.Route = &engine.Route{Host: peer.Route.Host, Port: uint16(peer.Route.Port)}
		}
		peers = append(peers, one)
	}
	return peers
}

// Runtime is what the objects of a server need to know beside its Federation.
type Runtime struct {
	Engine engine.Engine
	// Image of the server unless the Federation names another.
	Image string
	// OperatorNamespace may reach the server's control port.
	OperatorNamespace string
	// Config is the server's configuration, Secrets what of it is secret.
	Config  engine.Config
	Secrets map[string][]byte
}

// ServerObjects are the objects that run the server, in the order in which they are to be written. The public Service is
// none of them: it has to be there before there is anything to run.
func ServerObjects(fed *v1alpha1.Federation, r Runtime) []Object {
	image := r.Image
	if fed.Spec.Server.Image != "" {
		image = fed.Spec.Server.Image
	}
	return []Object{
		ConfigMap(fed, r.Config),
		Secret(fed, r.Secrets),
		HeadlessService(fed),
		ClientService(fed),
		NetworkPolicy(fed, r.OperatorNamespace),
		PodDisruptionBudget(fed),
		StatefulSet(fed, r.Engine, image),
	}
}
