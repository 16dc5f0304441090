// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// maxSkew is how far clocks may be apart: partners judge the dates of certificates by theirs.
const maxSkew = time.Minute

// maxEvidence is how many streams are listed.
const maxEvidence = 20

// Deployment is what Kubernetes and the servers themselves say of a Federation.
type Deployment struct {
	// Name of the Federation, as namespace/name.
	Name string
	// Domain is its first one.
	Domain string
	// Addresses are those of the load balancer, or those that the spec names.
	Addresses []string
	// AddressMessage says why there are none.
	AddressMessage string
	// Ready counts the pods that the load balancer sends connections to.
	Ready int
	// Serial number of the certificate that the servers were given, and the generations of configuration and Secret.
	Serial, Generation, SecretGeneration string
	Replicas                             []Replica
	// Policies for the watched partners, by domain.
	Policies map[string]v1alpha1.PeerPolicy
	// Left is why the servers could not be asked; empty when they were.
	Left string
}

// Judge makes the checks of a deployment.
func (d Deployment) Judge() []Result {
	results := []Result{d.judgeLoadBalancer()}
	if d.Left != "" {
		for _, id := range []ID{ServerAnswers, Sessions, Drift} {
			results = append(results, skipped(id, "", d.Left))
		}
	} else {
		results = append(results, d.judgePods()...)
		results = append(results, d.judgeSessions(), d.judgeDrift())
	}
	for i := range results {
		results[i].Domain, results[i].From = d.Domain, Cluster
		results[i] = safe(results[i])
	}
	return sorted(results)
}

func (d Deployment) judgeLoadBalancer() Result {
	r := Result{ID: LoadBalancer, Mark: Fail}
	switch {
	case len(d.Addresses) == 0:
		r.Reason = v1alpha1.ReasonAddressPending
		r.Words, r.Fix = "the load balancer has no address yet", "See the condition AddressAssigned: "+d.AddressMessage
	case d.Ready == 0:
		r.Words = "no pod behind the load balancer is ready, so connections go nowhere"
		r.Fix = "See the condition ServerReady: kubectl xmppfed status " + d.flags()
	default:
		return passed(LoadBalancer, "", fmt.Sprintf("it has the address %s, and %s ready behind it",
			phrase.List(d.Addresses, maxRecords), count(d.Ready, "pod")))
	}
	return r
}

// flags name the Federation on a command line.
func (d Deployment) flags() string {
	namespace, name, _ := strings.Cut(d.Name, "/")
	return name + " -n " + namespace
}

func (d Deployment) judgePods() []Result {
	var results []Result
	for _, pod := range d.Replicas {
		r := passed(ServerAnswers, pod.Pod, "the server answers in its pod")
		if failure := pod.failure(); failure != nil {
			log := "kubectl logs " + pod.Pod + " -n " + strings.Split(d.Name, "/")[0]
			r.Mark, r.Words, r.Fix = Fail, "its port opens no stream ("+explain(failure)+")", "See the server's log: "+log
			if isStreamError(failure) {
				refused := judgeStream(d.Domain, failure)
				r.Words, r.Reason, r.Fix = refused.Words, refused.Reason, refused.Fix+" ("+log+")"
			}
		}
		results = append(append(results, r), pod.judgeKeys()...)
	}
	if len(results) == 0 {
		return []Result{{
			ID: ServerAnswers, Mark: Fail, Words: "no pod of the server runs",
			Fix: "See the condition ServerReady: kubectl xmppfed status " + d.flags(),
		}}
	}
	return results
}

// judgeSessions compares the streams that stand with the policies for their partners.
func (d Deployment) judgeSessions() Result {
	var evidence, wrong, silent []string
	for _, pod := range d.Replicas {
		if pod.Live == nil {
			silent = append(silent, pod.Pod)
			continue
		}
		for _, session := range pod.Live.Sessions {
			policy, watched := d.Policies[session.Remote]
			if !watched || session.Authentication == "" {
				continue
			}
			protection := "not encrypted"
			if session.Secure {
				protection = session.TLSVersion
			}
			evidence = append(evidence, fmt.Sprintf("%s %s: %s, %s", session.Direction, session.Remote, protection, session.Authentication))
			if broken := breaks(session, policy); broken != "" {
				wrong = append(wrong, session.Remote+" "+broken)
			}
		}
	}
	slices.Sort(evidence)
	slices.Sort(wrong)
	total := len(evidence)
	if more := total - maxEvidence; more > 0 {
		evidence = append(evidence[:maxEvidence], fmt.Sprintf("and %d more", more))
	}
	if len(wrong) > 0 {
		return Result{
			ID: Sessions, Mark: Fail, Evidence: evidence,
			Words: "a stream is less than the policy demands: " + phrase.List(slices.Compact(wrong), maxRecords),
			Fix:   "Wait until the new policy is in force (D34); if it is, report this: the server must end such streams",
		}
	}
	switch {
	case len(d.Replicas) == 0:
		return skipped(Sessions, "", "no pod of the server runs")
	case len(silent) > 0:
		r := skipped(Sessions, "", "no streams are known of "+phrase.List(silent, maxRecords)+", which says nothing of itself")
		r.Evidence = evidence
		return r
	}
	return passed(Sessions, "", count(total, "stream")+" with watched partners, each as its policy demands", evidence...)
}

// breaks says how a stream is less than its policy demands; empty when it isn't.
func breaks(session engine.Session, policy v1alpha1.PeerPolicy) string {
	switch {
	case policy.Access == v1alpha1.PeerAccessDeny:
		return "has a stream, but is denied"
	case policy.TLS == v1alpha1.PeerTLSRequired && !session.Secure:
		return "is not encrypted"
	case policy.Authentication == v1alpha1.PeerAuthenticationCertificate && session.Authentication != "EXTERNAL":
		return "is not proven by certificate"
	}
	return ""
}

// judgeDrift compares what is in force in each pod with what was given.
func (d Deployment) judgeDrift() Result {
	var wrong, evidence, unknown []string
	for _, pod := range d.Replicas {
		if drift := d.drift(pod); drift != "" {
			wrong = append(wrong, drift)
			continue
		}
		unknown = append(unknown, d.incomparable(pod)...)
		live := pod.Live
		evidence = append(evidence, fmt.Sprintf("%s: %s %s, configuration %s, certificate %s", pod.Pod, live.Engine, live.Version,
			live.Generation, live.Certificate.Serial))
	}
	if len(wrong) > 0 {
		return Result{
			ID: Drift, Mark: Fail, Evidence: evidence, Words: strings.Join(wrong[:min(len(wrong), maxRecords)], "; "),
			Fix: "New configuration is in force within seconds; if this stays, see the condition ServerReady and the pod's log",
		}
	}
	if len(d.Replicas) == 0 {
		return skipped(Drift, "", "no pod of the server runs")
	}
	if len(unknown) > 0 {
		r := skipped(Drift, "", "not all could be compared: "+phrase.List(unknown, maxRecords))
		r.Evidence = evidence
		return r
	}
	return passed(Drift, "", "every pod has the configuration, the secrets and the certificate that it was given", evidence...)
}

// JudgeClock compares the clock of the machine that checks with another.
func JudgeClock(here, there time.Time, whose string) Result {
	skew := there.Sub(here).Abs()
	r := passed(Clock, whose, "its clock and the one here agree to a minute")
	if skew > maxSkew {
		r.Mark, r.Words = Fail, fmt.Sprintf("its clock and the one here are %s apart", skew.Round(time.Second))
		r.Fix = "Set both by NTP: who is wrong judges the dates of certificates wrongly"
	}
	r.From = Cluster
	return r
}
