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

// finding is one thing that is wrong.
type finding struct {
	reason string
	// what is wrong, where (a resolver or an address, or empty), and how to mend it. Where may differ between findings
	// that are otherwise the same: they are told as one.
	what, where, fix string
}

func (f finding) sentence() string {
	if f.where == "" {
		return f.what
	}
	return f.where + ": " + f.what
}

// order of the reasons: that of a partner's way in. What comes first hides what comes later.
var order = []string{
	v1alpha1.ReasonSRVMissing,
	v1alpha1.ReasonSRVMismatch,
	v1alpha1.ReasonAddressMismatch,
	v1alpha1.ReasonResolverUnavailable,
	v1alpha1.ReasonConnectionRefused,
	v1alpha1.ReasonConnectionTimeout,
	v1alpha1.ReasonNotXMPP,
	v1alpha1.ReasonStreamRefused,
	v1alpha1.ReasonTLSNotOffered,
	v1alpha1.ReasonTLSFailed,
	v1alpha1.ReasonCertificateExpired,
	v1alpha1.ReasonCertificateNameMismatch,
}

// conclude makes the verdict of at least one finding: the first reason in order, with all its findings in the order
// given, and the mending of the first of them.
func conclude(findings []finding) Verdict {
	first := slices.MinFunc(findings, func(a, b finding) int {
		return slices.Index(order, a.reason) - slices.Index(order, b.reason)
	})
	wheres := map[string][]string{}
	var whats []string
	for _, f := range findings {
		if f.reason != first.reason {
			continue
		}
		if !slices.Contains(whats, f.what) {
			whats = append(whats, f.what)
		}
		if f.where != "" && !slices.Contains(wheres[f.what], f.where) {
			wheres[f.what] = append(wheres[f.what], f.where)
		}
	}
	sentences := make([]string, len(whats))
	for i, what := range whats {
		sentences[i] = finding{what: what, where: phrase.List(wheres[what], maxRecords)}.sentence()
	}
	status := metav1.ConditionFalse
	if first.reason == v1alpha1.ReasonResolverUnavailable {
		status = metav1.ConditionUnknown
	}
	told := strings.Join(sentences[:min(len(sentences), maxSentences)], "; ")
	if more := len(sentences) - maxSentences; more > 0 {
		told += fmt.Sprintf("; and %d more like this", more)
	}
	fix := ". " + phrase.Clean(first.fix, maxFix)
	return Verdict{Status: status, Reason: first.reason, Message: phrase.Clean(told, phrase.MaxMessage-len(fix)) + fix}
}

// reachable is the verdict when nothing is wrong. The notes tell what is worth knowing nevertheless.
func reachable(t InboundTarget, notes []string) Verdict {
	message := fmt.Sprintf("partners find %s in public DNS (asked: %s) and reach %s at port %d, encrypted, with a "+
		"certificate that names the domain", phrase.List(t.Domains, maxRecords), phrase.List(t.Resolvers, maxRecords),
		phrase.List(texts(sortedAddresses(t.Addresses)), maxRecords), t.Port)
	if t.Through.IsValid() {
		notes = append([]string{fmt.Sprintf("tried from inside the cluster through %s, because "+
			"spec.exposure.loadBalancer.sourceRanges keep the operator out", t.Through)}, notes...)
	}
	if len(notes) > 0 {
		message += "; but " + strings.Join(notes[:min(len(notes), maxSentences)], "; ")
	}
	return Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReachable, Message: phrase.Message(message)}
}
