// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/controllers"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

// Parts are what the controllers see and reach of the world outside the API server. All of them have to be given.
type Parts struct {
	// Namespace that the operator runs in.
	Namespace string
	// ProsodyImage is the image of Prosody unless a Federation names another.
	ProsodyImage string
	// Now is the clock.
	Now func() time.Time
	// Signer signs ownership records, and Cluster tells this cluster from every other in them.
	Signer  dns.Signer
	Cluster string
	// Silent reports whether another installation writes the status of DNSZones.
	Silent func() bool
	// NewProvider makes the way to write to a zone, Serials and Verifier ask its name servers.
	NewProvider controllers.NewZoneProvider
	Serials     controllers.SerialReader
	Verifier    controllers.Verifier
	// Inbound takes the way of partners, and Live asks the servers what they run.
	Inbound controllers.InboundChecker
	Live    controllers.LiveStatus
	// NewPeers makes the watch over partners, which calls tell when there is news of a Federation's.
	NewPeers func(tell func(federation types.NamespacedName)) controllers.PeerWatcher
}

// AddControllers wires the controllers together and adds them to a manager.
func AddControllers(mgr ctrl.Manager, parts Parts) error {
	zones := controllers.NewZones(parts.Now)
	changed := make(chan event.TypedGenericEvent[*v1alpha1.DNSZone])
	recorder := mgr.GetEventRecorder("xmppfed")
	zoneReconciler := &controllers.DNSZoneReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Zones: zones, NewProvider: parts.NewProvider,
		Namespace: parts.Namespace, Now: parts.Now, Changed: changed, Serials: parts.Serials, Silent: parts.Silent,
	}
	if err := zoneReconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("adding the DNSZone controller: %w", err)
	}
	checked := make(chan event.TypedGenericEvent[*v1alpha1.Federation])
	reconciler := &controllers.FederationReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: recorder, Zones: zones,
		Applier: apply.New(mgr.GetClient(), mgr.GetAPIReader()),
		Servers: map[v1alpha1.EngineName]controllers.Server{
			v1alpha1.EngineProsody: {Engine: prosody.Engine{}, Image: parts.ProsodyImage},
		},
		Verifier: parts.Verifier, Signer: parts.Signer, Cluster: parts.Cluster, Inbound: parts.Inbound, Live: parts.Live,
		Namespace: parts.Namespace, Now: parts.Now, Checked: checked, DNSBelief: controllers.DNSBelief,
		Peers: parts.NewPeers(func(federation types.NamespacedName) {
			about := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: federation.Namespace, Name: federation.Name}}
			checked <- event.TypedGenericEvent[*v1alpha1.Federation]{Object: about}
		}),
	}
	if err := reconciler.SetupWithManager(mgr, changed); err != nil {
		return fmt.Errorf("adding the Federation controller: %w", err)
	}
	return nil
}
