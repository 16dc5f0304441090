// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// claim is what an installation says of itself in the annotation that all installations of a cluster share. Two that work on the
// same Federations would undo each other's work for ever, so the second one stands by.
type claim struct {
	// Namespace that the installation runs in. It identifies the installation, whose pods share one lease.
	Namespace string `json:"namespace"`
	// Watches lists the namespaces whose Federations it works on; empty for all.
	Watches []string `json:"watches,omitempty"`
	// Key is the fingerprint of the key that signs its ownership records.
	Key string `json:"key"`
}

// watched says which namespaces an installation works on, for messages.
func (c claim) watched() string {
	if len(c.Watches) == 0 {
		return "all namespaces"
	}
	return "the Federations in " + strings.Join(c.Watches, ", ")
}

// overlaps reports whether two installations work on the Federations of one namespace.
func (c claim) overlaps(other claim) bool {
	return len(c.Watches) == 0 || len(other.Watches) == 0 ||
		slices.ContainsFunc(c.Watches, func(namespace string) bool { return slices.Contains(other.Watches, namespace) })
}

// fingerprint identifies a key without giving it away.
func fingerprint(key []byte) string {
	hash := sha256.Sum256(append([]byte("xmppfed ownership key\n"), key...))
	return hex.EncodeToString(hash[:8])
}

// parseClaims reads the annotation.
func parseClaims(annotation string) ([]claim, error) {
	if annotation == "" {
		return nil, nil
	}
	var claims []claim
	if err := json.Unmarshal([]byte(annotation), &claims); err != nil {
		return nil, &hold{"InstallationsUnreadable", fmt.Sprintf("annotation %s of CustomResourceDefinition %s, in which installations of "+
			"the operator tell each other what they work on, can't be read (%v); remove it: kubectl annotate crd %s %s-",
			v1alpha1.AnnotationInstallations, crdName, err, crdName, v1alpha1.AnnotationInstallations)}
	}
	return claims, nil
}

// covers reports whether c works on everything that other works on.
func (c claim) covers(other claim) bool {
	return len(c.Watches) == 0 || len(other.Watches) > 0 &&
		!slices.ContainsFunc(other.Watches, func(namespace string) bool { return !slices.Contains(c.Watches, namespace) })
}

// before returns the claims of others that come before that of an installation: all of them, unless its own stands already and has
// not grown.
func before(own claim, standing []claim) []claim {
	place := slices.IndexFunc(standing, func(c claim) bool { return c.Namespace == own.Namespace && c.covers(own) })
	if place < 0 {
		return slices.DeleteFunc(slices.Clone(standing), func(c claim) bool { return c.Namespace == own.Namespace })
	}
	return standing[:place]
}

// admit decides whether an installation may work beside those that are alive. It returns a *hold if it may not.
func admit(own claim, standing []claim, gone func(namespace string) bool) error {
	for _, other := range before(own, standing) {
		if own.overlaps(other) && !gone(other.Namespace) {
			return &hold{"InstallationStandsBy", fmt.Sprintf("another installation of xmppfed, in namespace %s, works on %s; this one, "+
				"in namespace %s, stands by until that is gone: uninstall one of the two, or set watchNamespaces of both so that no "+
				"namespace is in both", other.Namespace, other.watched(), own.Namespace)}
		}
	}
	return nil
}

// succeed returns the claims that stand when an installation works that was admitted: those of the others that are alive, and its
// own, at the place that it had, or else the last. An installation that follows another one has to have its key, or one of its
// keys, else succeed returns a *hold.
func succeed(own claim, keys []string, standing []claim, gone func(namespace string) bool) ([]claim, error) {
	for _, c := range before(own, standing) {
		if own.overlaps(c) && !slices.Contains(keys, c.Key) && gone(c.Namespace) {
			return nil, &hold{"OwnershipKeyDiffers", fmt.Sprintf("the installation in namespace %s is gone, and Secret %s/%s has not the "+
				"key that its ownership records are signed with; copy the Secret %s from there, or from a backup; to give up what it "+
				"published, remove its trace: kubectl annotate crd %s %s-",
				c.Namespace, own.Namespace, ownershipSecret, ownershipSecret, crdName, v1alpha1.AnnotationInstallations)}
		}
	}
	var next []claim
	placed := false
	for _, c := range standing {
		switch {
		case c.Namespace == own.Namespace && c.covers(own):
			next, placed = append(next, own), true
		case c.Namespace == own.Namespace:
		case !gone(c.Namespace):
			next = append(next, c)
		}
	}
	if !placed {
		next = append(next, own)
	}
	return next, nil
}

// hold says why the operator does not work yet, and what somebody has to do about it. The operator goes on by itself after that.
type hold struct {
	// reason is a word for events.
	reason string
	// message says what is wrong and what to do. It is the same on every try.
	message string
}

func (h *hold) Error() string { return h.message }
