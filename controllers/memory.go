// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// uids remembers which Federation each name stood for when it was last looked at. What is remembered by UID can be forgotten with
// it when the Federation is gone without a word, because somebody removed the finalizer by hand.
type uids struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]types.UID
}

// replace notes the UID of a name, and returns the one that it had before; empty for none. An empty UID ends what is noted.
func (u *uids) replace(name types.NamespacedName, uid types.UID) types.UID {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.byName[name]
	if uid == "" {
		delete(u.byName, name)
		return before
	}
	if u.byName == nil {
		u.byName = map[types.NamespacedName]types.UID{}
	}
	u.byName[name] = uid
	return before
}

// recall forgets what is remembered of a Federation that had the name before this one.
func (r *FederationReconciler) recall(fed *v1alpha1.Federation) {
	if before := r.uids.replace(client.ObjectKeyFromObject(fed), fed.UID); before != "" && before != fed.UID {
		r.forgetUID(before)
	}
}

// forget drops everything that is remembered of the Federation that had the name.
func (r *FederationReconciler) forget(name types.NamespacedName) {
	r.Peers.Forget(name)
	if before := r.uids.replace(name, ""); before != "" {
		r.forgetUID(before)
		r.Applier.Forget(name.Namespace, desired.Names(&v1alpha1.Federation{
			ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name},
		})...)
	}
}

func (r *FederationReconciler) forgetUID(uid types.UID) {
	r.searches.forget(uid)
	r.verdicts.forget(uid)
	r.access.forget(uid)
	r.proofs.forget(uid)
	r.signings.forget(uid)
	r.shrinkages.forget(uid)
	r.verified.put(uid, verifiedDNS{})
	r.Zones.repairs.forget(uid)
	r.lasting.note(uid, 0, nil, r.Now())
	r.refusals.forget(uid)
	r.delays.forget(uid)
}
