// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/observe"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// maxListed is how many names a message lists.
const maxListed = 8

// Delays before pods are asked again, at first; see outcome.Error.Every. They can't tell by themselves.
const (
	// recheckRollout is for those that are about to take up a new configuration.
	recheckRollout = time.Second
	// recheckServer is for those that do not do what they should.
	recheckServer = 5 * time.Second
)

// serve runs the server with the configuration of this generation.
func (r *FederationReconciler) serve(ctx context.Context, s *scope) (finding, error) {
	if len(s.cert) == 0 {
		return finding{}, outcome.Waiting(v1alpha1.ReasonRollingOut, 0,
			"the server can't start before it has a certificate; see condition %s", v1alpha1.ConditionCertificateReady)
	}
	secrets, err := r.serverSecrets(s)
	if err != nil {
		return finding{}, err
	}
	accounts, accountsErr := r.readAccounts(ctx, s)
	if accounts != nil {
		secrets.Accounts = accounts
	}
	if err := r.keepRunning(ctx, s, accounts, accountsErr); err != nil {
		return finding{}, err
	}
	rollout, err := r.applyServer(ctx, s, secrets)
	if err != nil {
		return finding{}, err
	}
	found, err := r.observeServer(ctx, s, rollout)
	if err != nil {
		return found, err
	}
	confirmTLSA(s)
	if err := judgeVolumes(s.fed.Namespace, s.live); err != nil {
		return found, err
	}
	return found, accountsErr
}

// rollout is what the pods should run.
type rollout struct {
	config, secret string // generations
	token          string
}

func (w rollout) String() string { return w.config + "." + w.secret }

// serverSecrets are those in place, with what is missing made up.
func (r *FederationReconciler) serverSecrets(s *scope) (engine.Secrets, error) {
	secrets := engine.Secrets{
		Cert: s.cert, Key: s.key,
		DialbackSecret: s.mounted.Data[engine.KeyDialbackSecret],
		Token:          s.mounted.Data[engine.KeyToken],
		Accounts:       s.mounted.Data[engine.KeyAccounts],
	}
	for _, secret := range []*[]byte{&secrets.DialbackSecret, &secrets.Token} {
		if len(*secret) > 0 {
			continue
		}
		random := make([]byte, 32)
		if _, err := rand.Read(random); err != nil {
			return secrets, fmt.Errorf("making a secret: %w", err)
		}
		*secret = []byte(hex.EncodeToString(random))
	}
	if secrets.Accounts == nil {
		secrets.Accounts = []byte("{}")
	}
	return secrets, nil
}

// readAccounts reads the server's users. With an error come the accounts that are good nevertheless; nil means that
// those in place stay.
func (r *FederationReconciler) readAccounts(ctx context.Context, s *scope) ([]byte, error) {
	spec := s.fed.Spec.Server.Accounts
	if spec == nil {
		return []byte("{}"), nil
	}
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: spec.SecretRef.Name}
	var secret corev1.Secret
	if err := r.Reader.Get(ctx, key, &secret); apierrors.IsNotFound(err) {
		return nil, outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0,
			"Secret %s, named by spec.server.accounts.secretRef, does not exist; create it with a password for each localpart; "+
				"until then the accounts that the server has stay", key)
	} else if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	accounts, bad, err := engine.Accounts(secret.Data)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		return accounts, outcome.Stalled(v1alpha1.ReasonAccountsInvalid,
			"Secret %s, named by spec.server.accounts.secretRef, has entries that can't be accounts: %s; keys must be "+
				"lower-case localparts, passwords must not be empty nor hold line breaks", key, phrase.List(bad, maxListed))
	}
	return accounts, nil
}

// applyServer writes the server's objects and tells the pods that there is something new.
func (r *FederationReconciler) applyServer(ctx context.Context, s *scope, secrets engine.Secrets) (rollout, error) {
	server := r.Servers[s.fed.Spec.Server.Engine]
	config, err := server.Render(desired.ServerInput(s.fed, s.trustedCAs))
	if err != nil {
		return rollout{}, fmt.Errorf("rendering the server's configuration: %w", err)
	}
	data, generation := secrets.Data()
	to := rollout{config: config.Generation, secret: generation, token: string(secrets.Token)}
	if err := r.noteShrinkage(s, server, to, data); err != nil {
		return rollout{}, err
	}
	for _, object := range desired.ServerObjects(s.fed, desired.Runtime{
		Engine: server.Engine, Image: server.Image, OperatorNamespace: r.Namespace, Config: config, Secrets: data,
	}) {
		if err := r.Applier.Apply(ctx, object); err != nil {
			return rollout{}, err
		}
	}
	return to, nil
}

// maxVersion and maxRefusal bound what a server may write into status, in bytes.
const (
	maxVersion = 64
	maxRefusal = 300
)

// firstLine of what a server says; what follows is for its log.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return phrase.Clean(line, maxRefusal)
}

// observeServer tells whether every pod runs what it should, and if not, why.
func (r *FederationReconciler) observeServer(ctx context.Context, s *scope, want rollout) (finding, error) {
	var set appsv1.StatefulSet
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.StatefulSetName(s.fed)}
	if err := r.Get(ctx, key, &set); client.IgnoreNotFound(err) != nil {
		return finding{}, fmt.Errorf("reading StatefulSet %s: %w", key, err)
	}
	var pods corev1.PodList
	labels := client.MatchingLabels(desired.SelectorLabels(s.fed))
	if err := r.List(ctx, &pods, client.InNamespace(s.fed.Namespace), labels); err != nil {
		return finding{}, fmt.Errorf("listing pods of StatefulSet %s: %w", key, err)
	}
	// The labels are no secret: only pods of this Federation's own StatefulSet count.
	pods.Items = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return !metav1.IsControlledBy(&pod, &set) })
	s.live = unasked(pods.Items)
	status := &v1alpha1.ServerStatus{Engine: s.fed.Spec.Server.Engine, ReadyReplicas: set.Status.ReadyReplicas}
	if before := s.fed.Status.Server; before != nil {
		status.Version = before.Version
	}
	s.fed.Status.Server = status
	lost, again := observe.NodeTrouble(pods.Items, r.Now())
	s.again = sooner(s.again, again)
	if lost != nil {
		return finding{}, lost
	}
	if trouble, err := r.podTrouble(ctx, &set, pods.Items); err != nil {
		return finding{}, err
	} else if trouble != nil {
		return finding{}, trouble
	}
	for i := range pods.Items {
		if err := r.nudge(ctx, &pods.Items[i], want); err != nil {
			return finding{}, err
		}
	}
	if !rolledOut(s.fed, &set) || len(pods.Items) < int(s.fed.Spec.Server.Replicas) {
		return finding{}, outcome.Waiting(v1alpha1.ReasonRollingOut, 0,
			"%d of %d pods are ready; starting takes a few seconds once the image is there",
			set.Status.ReadyReplicas, s.fed.Spec.Server.Replicas)
	}
	return r.askPods(ctx, s, pods.Items, want)
}

// rolledOut tells whether Kubernetes has brought up the pods of the newest template.
func rolledOut(fed *v1alpha1.Federation, set *appsv1.StatefulSet) bool {
	want := fed.Spec.Server.Replicas
	return set.Status.ObservedGeneration >= set.Generation && set.Status.ReadyReplicas == want &&
		set.Status.UpdatedReplicas == want && set.Status.Replicas == want
}

// podTrouble finds what keeps pods from being created or from running.
func (r *FederationReconciler) podTrouble(
	ctx context.Context, set *appsv1.StatefulSet, pods []corev1.Pod,
) (*outcome.Error, error) {
	if len(pods) == 0 {
		warning, err := observe.Warning(ctx, r.Client, set)
		return observe.Rejected(set.Name, warning), err
	}
	if trouble := observe.PodTrouble(pods); trouble != nil {
		return trouble, nil
	}
	for i := range pods {
		if pods[i].Status.Phase != corev1.PodPending {
			continue
		}
		warning, err := observe.Warning(ctx, r.Client, &pods[i])
		if err != nil {
			return nil, err
		}
		if trouble := observe.StartTrouble(&pods[i], warning); trouble != nil {
			return trouble, nil
		}
	}
	return nil, nil
}

// nudge has the kubelet renew the pod's volumes now, when their content changed.
func (r *FederationReconciler) nudge(ctx context.Context, pod *corev1.Pod, want rollout) error {
	if pod.Annotations[desired.AnnotationGeneration] == want.String() || !pod.DeletionTimestamp.IsZero() {
		return nil
	}
	before := pod.DeepCopy()
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[desired.AnnotationGeneration] = want.String()
	if err := r.Patch(ctx, pod, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("telling pod %s about its new configuration: %w", pod.Name, err)
	}
	return nil
}

// serial is the serial number of the certificate that the server is given; empty when it is not known.
func (s *scope) serial() string {
	if s.fed.Status.Certificate == nil {
		return ""
	}
	return s.fed.Status.Certificate.Serial
}

// askPods asks each server what it runs.
func (r *FederationReconciler) askPods(
	ctx context.Context, s *scope, pods []corev1.Pod, want rollout,
) (finding, error) {
	status, again := s.fed.Status.Server, time.Duration(0)
	for i := range pods {
		pod := &pods[i]
		if !pod.DeletionTimestamp.IsZero() {
			continue
		}
		live, err := r.Live(ctx, pod.Status.PodIP, want.token)
		if err == nil {
			s.live[i].status = &live
		}
		switch {
		case err != nil:
			return finding{}, outcome.Waiting(v1alpha1.ReasonRollingOut, recheckServer,
				"the server in pod %s does not tell the operator which configuration it runs; if this lasts, look for "+
					"network policies between the operator and port %d of the pod [%s]", pod.Name, engine.PortNumberHTTP, check.Drift)
		case live.ConfigError != "":
			return finding{}, outcome.Stalled(v1alpha1.ReasonConfigRejected,
				"the server in pod %s goes on with its previous configuration, because it refused the new one: %s [%s]",
				pod.Name, firstLine(live.ConfigError), check.Drift).Every(recheckServer).For(want.String())
		case !settled(live, want, s.serial()) && r.shrinkages.covers(s.fed.UID, want, live, r.Now()):
			again = recheckRollout
		case live.Generation != want.config || live.SecretGeneration != want.secret:
			return finding{}, outcome.Waiting(v1alpha1.ReasonRollingOut, recheckRollout,
				"pod %s has not taken up the newest configuration yet; it does within seconds of the kubelet's delivery [%s]",
				pod.Name, check.Drift).For(want.String())
		case check.Outdated(live.Certificate, s.serial()):
			return finding{}, outcome.Waiting(v1alpha1.ReasonRollingOut, recheckServer,
				"pod %s serves another certificate than it was given; it takes the new one up within seconds, else see its log [%s]",
				pod.Name, check.Drift).For(want.String())
		}
		status.Version = phrase.Clean(live.Version, maxVersion)
		s.podIP, s.token = pod.Status.PodIP, want.token
	}
	s.serving = servingPods(pods, want)
	return finding{
		reason:  v1alpha1.ReasonRunning,
		message: fmt.Sprintf("%d of %d pods run %s %s", len(pods), len(pods), status.Engine, status.Version),
		after:   again,
	}, nil
}
