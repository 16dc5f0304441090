// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
)

const (
	// maxRecord is how many bytes of any one text of DNS, a peer or a certificate a message carries.
	maxRecord = 100
	// maxRecords is how many items a list in a message has.
	maxRecords = 4
	// maxSentences is how many findings a message tells.
	maxSentences = 3
	// maxFix is how many bytes of a message are kept for what to do.
	maxFix = 600
)

// order of the reasons: that of a partner's way in. What comes first hides what comes later.
var order = []string{
	v1alpha1.ReasonSRVMissing,
	v1alpha1.ReasonSRVMismatch,
	v1alpha1.ReasonAddressMismatch,
	v1alpha1.ReasonResolverUnavailable,
	v1alpha1.ReasonConnectionRefused,
	v1alpha1.ReasonConnectionTimeout,
	v1alpha1.ReasonUndisclosed,
	v1alpha1.ReasonNotXMPP,
	v1alpha1.ReasonStreamRefused,
	v1alpha1.ReasonTLSNotOffered,
	v1alpha1.ReasonTLSFailed,
	v1alpha1.ReasonCertificateExpired,
	v1alpha1.ReasonCertificateNameMismatch,
}

// conclude folds at least one failed result into a verdict: the first reason in order, with all its results in the order
// given, and the mending of the first of them.
func conclude(findings []Result) Verdict {
	first := slices.MinFunc(findings, func(a, b Result) int {
		return slices.Index(order, a.Reason) - slices.Index(order, b.Reason)
	})
	subjects := map[string][]string{}
	var words []string
	for _, f := range findings {
		if f.Reason != first.Reason {
			continue
		}
		if !slices.Contains(words, f.Words) {
			words = append(words, f.Words)
		}
		if f.Subject != "" && !slices.Contains(subjects[f.Words], f.Subject) {
			subjects[f.Words] = append(subjects[f.Words], f.Subject)
		}
	}
	sentences := make([]string, len(words))
	for i, what := range words {
		sentences[i] = Result{Words: what, Subject: phrase.List(subjects[what], maxRecords)}.sentence()
	}
	status := metav1.ConditionFalse
	if first.Reason == v1alpha1.ReasonResolverUnavailable {
		status = metav1.ConditionUnknown
	}
	told := strings.Join(sentences[:min(len(sentences), maxSentences)], "; ")
	if more := len(sentences) - maxSentences; more > 0 {
		told += fmt.Sprintf("; and %d more like this", more)
	}
	fix := ". " + phrase.Clean(first.Fix, maxFix) + tag(first.ID)
	return Verdict{Status: status, Reason: first.Reason, Message: phrase.Clean(told, phrase.MaxMessage-len(fix)) + fix}
}

// reachable is the verdict when nothing is wrong. The notes tell what is worth knowing nevertheless.
func reachable(t InboundTarget, notes []string) Verdict {
	message := fmt.Sprintf("partners find %s in public DNS (asked: %s) and reach %s at port %d, encrypted, with a "+
		"certificate that names the domain", phrase.List(t.Domains, maxRecords), phrase.List(t.Resolvers, maxRecords),
		phrase.List(texts(sortedAddresses(t.Addresses)), maxRecords), t.Port)
	if t.DirectPort != 0 {
		message += fmt.Sprintf("; by direct TLS at port %d as well", t.DirectPort)
	}
	if len(t.Through) > 0 {
		through := phrase.List(texts(sortedAddresses(t.Through)), maxRecords)
		notes = append([]string{fmt.Sprintf("tried from inside the cluster through %s, because "+
			"spec.exposure.loadBalancer.sourceRanges keep the operator out", through)}, notes...)
	}
	if len(notes) > 0 {
		message += "; but " + strings.Join(notes[:min(len(notes), maxSentences)], "; ")
	}
	return Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: phrase.Message(message)}
}
