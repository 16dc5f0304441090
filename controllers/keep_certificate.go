// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"slices"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dane"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// keepCertificate hands a renewed certificate to the server of a Federation that is not accepted: it has to name what the server
// serves, and not what the spec wants. A key whose TLSA record is not published yet is not handed over.
func (r *FederationReconciler) keepCertificate(ctx context.Context, s *scope) error {
	if !s.keeping {
		return nil
	}
	if err := r.readMounted(ctx, s); err != nil {
		return err
	}
	served := s.servedDomains()
	if len(served) == 0 || s.mounted.Data[engine.KeyAccounts] == nil {
		return nil
	}
	kept := *s
	kept.fed = s.fed.DeepCopy()
	kept.fed.Spec.Domains, kept.fed.Spec.Server.GroupChat = served, nil
	before := s.mounted.Data[engine.KeyTLSCert]
	kept.cert, kept.key = before, s.mounted.Data[engine.KeyTLSKey]
	found, failed := r.findKeyPair(ctx, &kept)
	if failed != nil {
		found.err = failure(failed)
		if found.err.Retry {
			return failed
		}
	}
	s.findings[v1alpha1.ConditionCertificateReady] = found
	renewed := failed == nil && !bytes.Equal(kept.cert, before)
	another := dane.Key(kept.cert) != dane.Key(before)
	if !renewed || another && s.fed.Status.TLSA != nil && !dane.Expired(before, r.Now()) {
		return nil
	}
	secrets, err := r.serverSecrets(&kept)
	if err != nil {
		return err
	}
	data, _ := secrets.Data()
	s.fed.Status.Certificate = kept.fed.Status.Certificate
	return r.Applier.Apply(ctx, desired.Secret(s.fed, data))
}

// servedDomains are those that the server is configured for, group chats among them, without those that it is about to drop.
func (s *scope) servedDomains() []v1alpha1.DomainName {
	var served []v1alpha1.DomainName
	for _, annotation := range []string{desired.AnnotationDomains, desired.AnnotationGroupChats} {
		for _, name := range listedIn(&s.mountedConfig, annotation) {
			former := func(f v1alpha1.FormerDomain) bool { return f.Domain == name }
			if !slices.ContainsFunc(s.fed.Status.FormerDomains, former) {
				served = append(served, v1alpha1.DomainName(name))
			}
		}
	}
	return served
}
