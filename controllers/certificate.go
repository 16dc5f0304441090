// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/apply"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
	"github.com/xmppfed/xmppfed/internal/pki"
)

// provideCertificate finds the key pair to serve and the CAs to trust. What is served already stays in place until
// something better is found: a bad Secret never takes a good certificate away.
func (r *FederationReconciler) provideCertificate(ctx context.Context, s *scope) (finding, error) {
	if err := r.readMounted(ctx, s); err != nil {
		return finding{}, err
	}
	s.nameFormer()
	s.cert, s.key = s.mounted.Data[engine.KeyTLSCert], s.mounted.Data[engine.KeyTLSKey]
	s.trustedCAs = s.mountedConfig.Data[engine.FileTrustedCAs]

	bundle, err := r.readTrustedCAs(ctx, s.fed)
	if err == nil {
		s.trustedCAs = bundle
	}
	s.trustedCAsErr = err
	found, certErr := r.findKeyPair(ctx, s)
	if certErr != nil {
		return found, certErr
	}
	return found, err
}

// readMounted reads what the server mounts now. Both objects may not exist yet.
func (r *FederationReconciler) readMounted(ctx context.Context, s *scope) error {
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.ConfigName(s.fed)}
	if err := r.Reader.Get(ctx, key, &s.mounted); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Secret %s: %w", key, err)
	}
	if err := r.Reader.Get(ctx, key, &s.mountedConfig); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", key, err)
	}
	if !metav1.IsControlledBy(&s.mounted, s.fed) {
		s.mounted = corev1.Secret{}
	}
	if !metav1.IsControlledBy(&s.mountedConfig, s.fed) {
		s.mountedConfig = corev1.ConfigMap{}
	}
	return nil
}

// findKeyPair judges the key pair that the spec names, or has the operator's own CA issue one.
func (r *FederationReconciler) findKeyPair(ctx context.Context, s *scope) (finding, error) {
	names := desired.AddressableDomains(s.fed)
	if s.fed.Spec.TLS == nil || s.fed.Spec.TLS.SecretRef == nil {
		if err := r.issueCertificate(ctx, s, desired.CertificateNames(s.fed)); err != nil {
			return finding{}, err
		}
		verdict := pki.ByOwnCA(pki.Judge(s.cert, s.key, names, r.Now()))
		return r.noteCertificate(s, verdict)
	}
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: s.fed.Spec.TLS.SecretRef.Name}
	var secret corev1.Secret
	if err := r.Reader.Get(ctx, key, &secret); apierrors.IsNotFound(err) {
		return finding{}, outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0,
			"Secret %s, named by spec.tls.secretRef, does not exist; create it with type kubernetes.io/tls "+
				"and a certificate for %s", key, strings.Join(names, ", "))
	} else if err != nil {
		return finding{}, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	cert, privateKey := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	if len(cert) == 0 || len(privateKey) == 0 { // an issuer makes the Secret before it has the certificate
		return finding{}, outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0,
			"Secret %s, named by spec.tls.secretRef, has no %s and %s yet; whoever made it puts them there, with a certificate for %s",
			key, corev1.TLSCertKey, corev1.TLSPrivateKeyKey, strings.Join(names, ", "))
	}
	verdict := pki.Judge(cert, privateKey, names, r.Now())
	if verdict.Status == metav1.ConditionTrue {
		s.cert, s.key = cert, privateKey
	}
	verdict.Message = fmt.Sprintf("Secret %s: %s", key, verdict.Message)
	return r.noteCertificate(s, verdict)
}

func (r *FederationReconciler) noteCertificate(s *scope, verdict pki.Verdict) (finding, error) {
	if verdict.Status != metav1.ConditionTrue {
		return finding{}, outcome.Waiting(verdict.Reason, 0, "%s", verdict.Message)
	}
	s.fed.Status.Certificate = verdict.Certificate
	return finding{reason: verdict.Reason, message: verdict.Message}, nil
}

// issueCertificate has the Federation's own CA issue a certificate, unless the one in place will do. The CA is kept, so
// that partners who were told to trust it still do after a renewal.
func (r *FederationReconciler) issueCertificate(ctx context.Context, s *scope, names []string) error {
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.CASecretName(s.fed)}
	var authority corev1.Secret
	err := r.Reader.Get(ctx, key, &authority)
	switch {
	case apierrors.IsNotFound(err):
		certPEM, keyPEM, err := pki.NewCA("xmppfed CA of "+key.String(), r.Now())
		if err != nil {
			return fmt.Errorf("making the CA %s: %w", key, err)
		}
		authority = *desired.CASecret(s.fed, certPEM, keyPEM)
		if err := r.Create(ctx, &authority); err != nil {
			return fmt.Errorf("creating Secret %s: %w", key, err)
		}
	case err != nil:
		return fmt.Errorf("reading Secret %s: %w", key, err)
	case !metav1.IsControlledBy(&authority, s.fed):
		// Somebody else's CA must not sign for names that this Federation's author chose.
		return &apply.NotOursError{Kind: "Secret", Key: key}
	}
	if err := r.renewCA(ctx, &authority); err != nil {
		return err
	}
	caCert, caKey := authority.Data[corev1.TLSCertKey], authority.Data[corev1.TLSPrivateKeyKey]
	if pki.IssuedBy(s.cert, caCert) && !pki.NeedsRenewal(s.cert, names, r.Now()) {
		return nil
	}
	if wantsTLSA(s.fed) { // with the same key there is nothing to roll
		if cert, err := pki.Renew(caCert, caKey, s.cert, s.key, names, r.Now()); err == nil {
			s.cert = cert
			return nil
		}
	}
	cert, privateKey, err := pki.Issue(caCert, caKey, names, r.Now())
	if err != nil {
		return outcome.Stalled(v1alpha1.ReasonKeyPairInvalid,
			"the CA in Secret %s can't issue certificates (%v); delete that Secret to have a new one made", key, err)
	}
	s.cert, s.key = cert, privateKey
	return nil
}

// renewCA gives a CA that was made while the clock was ahead a certificate that is valid today. Its name and key stay.
func (r *FederationReconciler) renewCA(ctx context.Context, authority *corev1.Secret) error {
	if !pki.NotYetValid(authority.Data[corev1.TLSCertKey], r.Now()) {
		return nil
	}
	renewed, err := pki.RenewCA(authority.Data[corev1.TLSCertKey], authority.Data[corev1.TLSPrivateKeyKey], r.Now())
	if err != nil {
		return nil //nolint:nilerr // issuing a certificate fails as well, and tells
	}
	before := authority.DeepCopy()
	authority.Data[corev1.TLSCertKey] = renewed
	if err := r.Patch(ctx, authority, locked(before)); err != nil {
		return fmt.Errorf("renewing the CA in Secret %s: %w", client.ObjectKeyFromObject(authority), err)
	}
	return nil
}

// readTrustedCAs joins the bundles of spec.tls.trustedCAs.
func (r *FederationReconciler) readTrustedCAs(ctx context.Context, fed *v1alpha1.Federation) (string, error) {
	if fed.Spec.TLS == nil {
		return "", nil
	}
	var bundle strings.Builder
	for i, trusted := range fed.Spec.TLS.TrustedCAs {
		field := fmt.Sprintf("spec.tls.trustedCAs[%d]", i)
		key := client.ObjectKey{Namespace: fed.Namespace, Name: trusted.ConfigMapRef.Name}
		var config corev1.ConfigMap
		if err := r.Reader.Get(ctx, key, &config); apierrors.IsNotFound(err) {
			return "", outcome.Waiting(v1alpha1.ReasonConfigMapNotFound, 0,
				"ConfigMap %s, named by %s, does not exist; create it with the CA certificates in key %s",
				key, field, trusted.ConfigMapRef.Key)
		} else if err != nil {
			return "", fmt.Errorf("reading ConfigMap %s: %w", key, err)
		}
		pem, found := config.Data[trusted.ConfigMapRef.Key]
		if !found {
			return "", outcome.Waiting(v1alpha1.ReasonConfigMapNotFound, 0,
				"ConfigMap %s, named by %s, has no key %s; put the CA certificates there in PEM form",
				key, field, trusted.ConfigMapRef.Key)
		}
		if _, err := pki.ParseCAs([]byte(pem)); err != nil {
			return "", outcome.Stalled(v1alpha1.ReasonTrustedCAsInvalid,
				"key %s of ConfigMap %s, named by %s, is no bundle of CA certificates (%v); put them there in PEM form",
				trusted.ConfigMapRef.Key, key, field, err)
		}
		bundle.WriteString(strings.TrimSpace(pem) + "\n")
	}
	return bundle.String(), nil
}
