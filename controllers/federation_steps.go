// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// recheckObjects is the first delay before another look at what others' objects, or the API server's rules, stand in the way of:
// they are not watched.
const recheckObjects = time.Minute

// step works towards one condition. It returns what to say when the goal is reached, or an error: an *outcome.Error
// when it knows why, any other when talking to the Kubernetes API went wrong.
type step struct {
	condition string
	run       func(context.Context, *scope) (finding, error)
	// gate is set when nothing after this step may happen unless it reached its goal, except steps that are set to run always, and
	// those that keep up what is published. lapses is set when the condition tells what partners find, which changes by itself.
	gate, always, keeps, lapses bool
}

// steps in their order. Those that need an earlier one ask the scope; the others run whatever happened before them. What
// partners find in the DNS comes first, as it needs nothing that has to be read from the API server; unless it tells of
// the certificate.
func (r *FederationReconciler) steps(fed *v1alpha1.Federation) []step {
	certificate := step{condition: v1alpha1.ConditionCertificateReady, run: r.provideCertificate}
	publish := step{condition: v1alpha1.ConditionDNSPublished, run: r.publishOrBelieve, keeps: true, lapses: true} // needs an address
	found := []step{publish, certificate}
	if wantsTLSA(fed) {
		found = []step{certificate, publish}
	}
	return slices.Concat([]step{
		{condition: v1alpha1.ConditionAccepted, run: r.accept, gate: true},
		{condition: v1alpha1.ConditionAddressAssigned, run: r.expose, keeps: true},
	}, found, []step{
		{condition: v1alpha1.ConditionServerReady, run: r.serve}, // needs a certificate
		{condition: v1alpha1.ConditionInboundReachable, run: r.checkInbound, lapses: true},
		{condition: v1alpha1.ConditionAvailable, run: r.seeAvailable, always: true},
		{condition: v1alpha1.ConditionPeersReachable, run: r.checkPeers}, // needs a server that can be reached
		{condition: v1alpha1.ConditionLimitsReached, run: r.watchLimits},
	})
}

// runSteps runs the steps and notes their findings. It returns the errors that are not outcomes.
func (r *FederationReconciler) runSteps(ctx context.Context, s *scope) error {
	defer func() { s.fed.Spec = *s.before.Spec.DeepCopy() }() // keep changes it
	var errs []error
	shut := false
	for _, step := range r.steps(s.fed) {
		if shut && !step.always && (!step.keeps || !s.keeping) {
			s.lapse(step)
			continue
		}
		found, err := step.run(ctx, s)
		if err != nil {
			found.err = failure(err)
			if found.err.Retry {
				errs = append(errs, err)
			}
		}
		s.findings[step.condition] = found
		if step.gate && err != nil {
			r.Peers.Pause(client.ObjectKeyFromObject(s.fed))
			shut = true
			if !found.err.Retry {
				r.keep(s)
				errs = append(errs, r.keepCertificate(ctx, s))
			}
		}
	}
	return errors.Join(append(errs, r.proveServer(s))...)
}

// lapse says of a condition that tells what partners find that it is not looked at while the spec is not accepted. Before there was
// anything to find it has no such condition.
func (s *scope) lapse(step step) {
	accepted := s.findings[v1alpha1.ConditionAccepted].err
	if !step.lapses || accepted == nil || accepted.Retry || meta.FindStatusCondition(s.before.Status.Conditions, step.condition) == nil {
		return
	}
	s.findings[step.condition] = finding{err: outcome.Unknown(v1alpha1.ReasonNotAccepted,
		"this is not looked at while the spec can't be carried out, see condition %s; whether partners get through, condition %s says",
		v1alpha1.ConditionAccepted, v1alpha1.ConditionAvailable)}
}

// failure gives an error the form of an outcome.
func failure(err error) *outcome.Error {
	var taken *apply.NotOursError
	if errors.As(err, &taken) {
		return outcome.Stalled(v1alpha1.ReasonNameTaken,
			"%s %s exists but does not belong to this Federation; whoever made it should remove or rename it, "+
				"or give this Federation another name", taken.Kind, taken.Key).Every(recheckObjects)
	}
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return outcome.Stalled(v1alpha1.ReasonObjectRefused, "Kubernetes refuses an object that follows from the spec; correct the "+
			"field of the spec that it comes from: %s", inSpec.Replace(told(err))).Every(recheckObjects)
	}
	failed := outcome.From(err, v1alpha1.ReasonReconcileFailed)
	if failed.Retry {
		failed.Message = told(err)
	}
	return failed
}

// told is an error as one line that fits into a message.
func told(err error) string {
	return phrase.Message(strings.Join(strings.Fields(err.Error()), " "))
}
