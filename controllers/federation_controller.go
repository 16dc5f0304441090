// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Finalizer keeps a Federation until its records are gone from the DNS and its address is given back.
const Finalizer = "xmppfed.io/federation"

// Server is an XMPP server software and the image it runs from unless a Federation names another.
type Server struct {
	engine.Engine
	Image string
}

// InboundChecker tries the way that partners take.
type InboundChecker interface {
	// Inbound compares it with what the spec wants.
	Inbound(ctx context.Context, target check.InboundTarget) check.Verdict
	// Access follows it as it is, and says which domains are reached.
	Access(ctx context.Context, target check.AccessTarget) check.Access
	// Serves tries the end of it, at the servers, before the DNS leads there.
	Serves(ctx context.Context, target check.InboundTarget) check.Proof
}

// LiveStatus asks a running server what it runs.
type LiveStatus func(ctx context.Context, podIP, token string) (engine.LiveStatus, error)

// FederationReconciler brings Federations into being and keeps proving that they work.
type FederationReconciler struct {
	client.Client
	// Reader reads from the API server what is not cached: Secrets, ConfigMaps, Events.
	Reader   client.Reader
	Applier  *apply.Applier
	Recorder events.EventRecorder
	Servers  map[v1alpha1.EngineName]Server
	Zones    *Zones
	Verifier Verifier
	Signer   dns.Signer
	Inbound  InboundChecker
	Live     LiveStatus
	Peers    PeerWatcher
	// Cluster tells this cluster from every other; it is part of the owner in ownership records.
	Cluster string
	// Namespace that the operator runs in.
	Namespace string
	// Checked tells that a check of a Federation, or of its partners, has news. Without it checks are made in place, as tests want it.
	Checked chan event.TypedGenericEvent[*v1alpha1.Federation]
	// DNSBelief bounds for how long the DNS is not read again after it was found as wanted, while nothing that it follows from changed
	// and nobody else changed the zone. Zero has it read in every reconcile.
	DNSBelief time.Duration
	// Now is the clock.
	Now func() time.Time

	uids     uids
	verdicts checks[check.Verdict]
	access   checks[check.Access]
	// proofs are what the servers were seen to serve.
	proofs     checks[check.Proof]
	signings   signings
	shrinkages shrinkages
	lasting    lasting
	refusals   readings
	delays     readings
	retries    retries
	searches   searches
	verified   verified
}

// +kubebuilder:rbac:groups=xmppfed.io,resources=federations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=xmppfed.io,resources=federations/status,verbs=patch
// +kubebuilder:rbac:groups=xmppfed.io,resources=federations/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=configmaps;secrets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch;patch
// +kubebuilder:rbac:groups="",resources=events,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=apps,resources=statefulsets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,resourceNames=federations.xmppfed.io,verbs=get;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,resourceNames=xmppfed-operator,verbs=get
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=xmppfed-system,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=xmppfed-system,resources=leases,resourceNames=xmppfed-operator,verbs=get;update
// +kubebuilder:rbac:groups="",namespace=xmppfed-system,resources=secrets,verbs=get;list;watch;create
// +kubebuilder:rbac:groups="",namespace=xmppfed-system,resources=secrets,resourceNames=xmppfed-ownership,verbs=patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Reconcile does what is missing for one Federation and writes down, whatever happened, how far it came.
func (r *FederationReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := r.reconcile(ctx, req)
	return r.retries.settle(req, result, err)
}

func (r *FederationReconciler) reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	fed := &v1alpha1.Federation{}
	if err := r.Get(ctx, req.NamespacedName, fed); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.recall(fed)
	s := newScope(fed)
	correctStatus(fed, r.Now())
	s.began = r.Now()
	if !fed.DeletionTimestamp.IsZero() {
		if !controllerutil.ContainsFinalizer(fed, Finalizer) {
			return ctrl.Result{}, nil
		}
		r.Peers.Forget(req.NamespacedName) // deletion may take a while
		gone, err := r.reconcileDelete(ctx, s)
		if gone {
			return ctrl.Result{}, err
		}
		return r.finish(ctx, s, err)
	}
	if fed.Spec.Suspend {
		r.Peers.Forget(req.NamespacedName)
		return r.finish(ctx, s, nil)
	}
	if len(unreadable(fed)) > 0 {
		return r.leaveUnreadable(ctx, s)
	}
	// The finalizer comes before the first write elsewhere, so that nothing is ever left behind.
	if !controllerutil.ContainsFinalizer(fed, Finalizer) {
		before := fed.DeepCopy()
		controllerutil.AddFinalizer(fed, Finalizer)
		if err := r.Patch(ctx, fed, locked(before)); err != nil {
			err = fmt.Errorf("adding the finalizer: %w", err)
			fed.Finalizers = before.Finalizers
			if !s.noteFinalizer(v1alpha1.ConditionAccepted, err) {
				return ctrl.Result{}, err
			}
			return r.finish(ctx, s, err)
		}
		s.before.ObjectMeta = *fed.ObjectMeta.DeepCopy()
	}
	err := r.runSteps(ctx, s)
	return r.finish(ctx, s, errors.Join(err, r.findFormerZones(ctx, s)))
}

// noteFinalizer has a condition say that the finalizer could not be changed, which only the API server and its policies are the cause
// of. It notes nothing, and returns false, when the Federation has changed or gone meanwhile.
func (s *scope) noteFinalizer(condition string, err error) bool {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false
	}
	failed := outcome.From(err, v1alpha1.ReasonReconcileFailed)
	failed.Message = fmt.Sprintf("the operator can't change its finalizer %s of this Federation, and does nothing for it before; the "+
		"cluster's administrator has to see what forbids it, and the operator tries again by itself: %s", Finalizer, told(err))
	s.findings[condition] = finding{err: failed}
	return true
}

// finish writes the status that follows from what the steps found, and tells when to look again.
func (r *FederationReconciler) finish(ctx context.Context, s *scope, err error) (ctrl.Result, error) {
	updateStatus(s, r.Now())
	s.lasted = r.lasting.note(s.fed.UID, s.fed.Generation, s.findings, r.Now())
	return ctrl.Result{RequeueAfter: s.requeueAfter()}, errors.Join(err, r.patchStatus(ctx, s))
}

// locked is a patch that fails when the object changed since it was read: what is decided on an old copy, such as where
// there may be records, must not overwrite what is known by now.
func locked(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

// patchStatus writes the status if it changed, and an event for each condition whose reason changed.
func (r *FederationReconciler) patchStatus(ctx context.Context, s *scope) error {
	if equalStatus(&s.before.Status, &s.fed.Status) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.fed.DeepCopy(), locked(s.before)); err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	recordEvents(r.Recorder, s.fed, s.before.Status.Conditions, s.fed.Status.Conditions)
	return nil
}
