// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
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

// readSecrets reads the values that the zone's spec refers to.
func (r *DNSZoneReconciler) readSecrets(ctx context.Context, zone *v1alpha1.DNSZone) (ZoneSecrets, *outcome.Error, error) {
	secrets := ZoneSecrets{}
	var missing *outcome.Error
	for _, field := range secretFields(zone.Spec.Provider) {
		key := client.ObjectKey{Namespace: r.Namespace, Name: field.ref.Name}
		var secret corev1.Secret
		if err := r.Reader.Get(ctx, key, &secret); client.IgnoreNotFound(err) != nil {
			return nil, nil, fmt.Errorf("reading Secret %s: %w", key, err)
		}
		value := secret.Data[field.ref.Key]
		if len(bytes.TrimSpace(value)) == 0 {
			missing = outcome.Waiting(v1alpha1.ReasonSecretNotFound, 0,
				"Secret %s, named by spec.provider.%s of DNSZone %s, has no key %s or nothing in it, or does not exist; "+
					"the platform team has to put %s there",
				key, field.path, zone.Name, field.ref.Key, field.value)
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
