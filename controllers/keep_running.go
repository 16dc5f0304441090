// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// While an object that the server mounts does not exist, the kubelet leaves the files of pods that run as they are, and starts no
// further ones; once it exists again, its content replaces the files. So where an object is gone, and what it held can't be had
// from its source either, writing it without that would take from a server what works.

// keepRunning returns why nothing may be written over what a running server has: an object that it mounts is gone, and a source
// of what that held can't be read. Accounts are those to write, nil if they could not be read for the cause in accountsErr.
func (r *FederationReconciler) keepRunning(ctx context.Context, s *scope, accounts []byte, accountsErr error) error {
	object, cause := "", error(nil)
	switch {
	case accounts == nil && s.mounted.Data[engine.KeyAccounts] == nil:
		object, cause = "Secret", accountsErr
	case s.trustedCAs == "":
		object, cause = "ConfigMap", s.trustedCAsErr
	}
	if cause == nil {
		return nil
	}
	exists, err := r.serverExists(ctx, s)
	if err != nil || !exists {
		return err
	}
	failed := *failure(cause)
	if failed.Retry {
		return cause
	}
	failed.Message = fmt.Sprintf("%s %s/%s, which the server mounts, was deleted or emptied, and what it held is not known any more, so "+
		"it is not written: pods that run go on with what they have, pods that start wait for it; %s",
		object, s.fed.Namespace, desired.ConfigName(s.fed), failed.Message)
	return &failed
}

// serverExists reports whether the server was run before, so that pods may have files of objects that are gone.
func (r *FederationReconciler) serverExists(ctx context.Context, s *scope) (bool, error) {
	var set appsv1.StatefulSet
	key := client.ObjectKey{Namespace: s.fed.Namespace, Name: desired.StatefulSetName(s.fed)}
	if err := r.Get(ctx, key, &set); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading StatefulSet %s: %w", key, err)
	}
	return metav1.IsControlledBy(&set, s.fed), nil
}
