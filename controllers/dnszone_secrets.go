// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// ZoneSecrets are the values that a DNSZone's spec refers to.
type ZoneSecrets map[v1alpha1.SecretKey]string

// secretField is a field of a DNSZone that refers to a value in a Secret.
type secretField struct {
	// path below spec.provider.
	path string
	// value says what belongs there.
	value string
	ref   v1alpha1.SecretKey
	// spare tells that the zone can be written to without it, as long as there is another.
	spare bool
}

// secretFields that are set.
func secretFields(provider v1alpha1.DNSProvider) []secretField {
	var fields []secretField
	add := func(path, value string, ref *v1alpha1.SecretKey) {
		if ref != nil {
			fields = append(fields, secretField{path: path, value: value, ref: *ref})
		}
	}
	if p := provider.RFC2136; p != nil {
		add("rfc2136.tsig.secretRef", "the TSIG secret", &p.TSIG.SecretRef)
		if p.PreviousTSIG != nil {
			add("rfc2136.previousTSIG.secretRef", "the TSIG secret", &p.PreviousTSIG.SecretRef)
			fields[0].spare, fields[1].spare = true, true
		}
	}
	if p := provider.Route53; p != nil {
		add("route53.accessKeyIDSecretRef", "the ID of the access key", p.AccessKeyIDSecretRef)
		add("route53.secretAccessKeySecretRef", "the secret access key", p.SecretAccessKeySecretRef)
	}
	if p := provider.Cloudflare; p != nil {
		add("cloudflare.apiTokenSecretRef", "the API token", &p.APITokenSecretRef)
	}
	return fields
}

// readSecret is what was read of a Secret when it had this identity and version.
type readSecret struct {
	uid             types.UID
	resourceVersion string
	values          map[string][]byte
}

// secretValue returns a value of a Secret, nil if there is none. The Secret's metadata are watched, and only when they changed since
// it was read it is read again.
func (r *DNSZoneReconciler) secretValue(ctx context.Context, ref v1alpha1.SecretKey, known *knownZone) ([]byte, error) {
	key := client.ObjectKey{Namespace: r.Namespace, Name: ref.Name}
	watched := &metav1.PartialObjectMetadata{}
	watched.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := r.Get(ctx, key, watched); err != nil {
		delete(known.secrets, ref.Name)
		return nil, client.IgnoreNotFound(err)
	}
	last := known.secrets[ref.Name]
	value, read := last.values[ref.Key]
	if read && last.uid == watched.UID && last.resourceVersion == watched.ResourceVersion {
		return value, nil
	}
	var secret corev1.Secret
	if err := r.Reader.Get(ctx, key, &secret); err != nil {
		delete(known.secrets, ref.Name)
		return nil, client.IgnoreNotFound(err)
	}
	if last.uid != secret.UID || last.resourceVersion != secret.ResourceVersion {
		last = readSecret{secret.UID, secret.ResourceVersion, map[string][]byte{}}
	}
	last.values[ref.Key] = secret.Data[ref.Key]
	if known.secrets == nil {
		known.secrets = map[string]readSecret{}
	}
	known.secrets[ref.Name] = last
	return last.values[ref.Key], nil
}

// whyEmpty says why a Secret that was just read has no value to use.
func whyEmpty(known *knownZone, ref v1alpha1.SecretKey, value []byte) string {
	_, exists := known.secrets[ref.Name]
	switch {
	case !exists:
		return "does not exist"
	case value == nil:
		return fmt.Sprintf("has no key %q", ref.Key)
	default:
		return fmt.Sprintf("has nothing under key %q", ref.Key)
	}
}

// readSecrets returns the values that the zone's spec refers to.
func (r *DNSZoneReconciler) readSecrets(
	ctx context.Context, zone *v1alpha1.DNSZone, known *knownZone,
) (ZoneSecrets, *outcome.Error, error) {
	secrets := ZoneSecrets{}
	var missing *outcome.Error
	for _, field := range secretFields(zone.Spec.Provider) {
		key := client.ObjectKey{Namespace: r.Namespace, Name: field.ref.Name}
		value, err := r.secretValue(ctx, field.ref, known)
		if err != nil {
			return nil, nil, fmt.Errorf("reading Secret %s: %w", key, err)
		}
		if len(bytes.TrimSpace(value)) == 0 {
			missing = outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0,
				"Secret %s, named by spec.provider.%s of DNSZone %s, %s; the platform team has to put %s there, under key %q",
				key, field.path, zone.Name, whyEmpty(known, field.ref, value), field.value, field.ref.Key)
			if !field.spare {
				return nil, missing, nil
			}
			continue
		}
		secrets[field.ref] = string(value)
	}
	if len(secrets) == 0 {
		return nil, missing, nil
	}
	return secrets, nil, nil
}
