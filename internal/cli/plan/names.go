// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// Estate is what decides whose a name is: what the cluster has, with the manifests applied.
type Estate struct {
	Zones       []v1alpha1.DNSZone
	Federations []v1alpha1.Federation
	// Labels of namespaces, by name.
	Labels map[string]map[string]string
}

// future is after the creation of everything that is there.
var future = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

// Coming gives an object that is yet to be created its place behind all that are there: that in the manifests.
func Coming(object metav1.Object, position int) {
	object.SetCreationTimestamp(metav1.NewTime(future.Add(time.Duration(position) * time.Second)))
}

// Names tells which names of a Federation can't be its own, and why.
func Names(fed *v1alpha1.Federation, estate Estate) []Problem {
	var problems []Problem
	for _, name := range inOrder(fed, desired.Claims(fed)) {
		refused := estate.place(fed, []string{name})
		if refused == nil {
			if rival, _, _ := estate.contest().Rival(fed, name); rival != nil {
				refused = claims.Claimed(fed, rival, name)
			}
		}
		if refused != nil {
			problems = append(problems, Problem{
				Object: title(fed), Field: fieldOf(fed, name), Reason: refused.Reason, Message: refused.Message,
			})
		}
	}
	return problems
}

// inOrder sorts names as the spec lists its domains; what follows from them comes last.
func inOrder(fed *v1alpha1.Federation, names []string) []string {
	position := func(name string) int {
		i := slices.IndexFunc(fed.Spec.Domains, func(domain v1alpha1.DomainName) bool { return string(domain) == name })
		if i < 0 {
			return len(fed.Spec.Domains)
		}
		return i
	}
	return slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return cmp.Compare(position(a), position(b)) })
}

func (e Estate) place(fed *v1alpha1.Federation, names []string) *outcome.Error {
	_, refused := claims.Place(names, fed.Namespace, e.Labels[fed.Namespace], e.Zones)
	return refused
}

// contest is what decides between the Federations.
func (e Estate) contest() claims.Contest {
	return claims.Contest{
		Wanting: func(name string) ([]v1alpha1.Federation, error) {
			return slices.DeleteFunc(slices.Clone(e.Federations), func(other v1alpha1.Federation) bool {
				return !slices.Contains(desired.Claims(&other), name)
			}), nil
		},
		MayPublish: func(other *v1alpha1.Federation) (bool, error) {
			return e.place(other, desired.Claims(other)) == nil, nil
		},
	}
}

// fieldOf is the field of a Federation that a name comes from.
func fieldOf(fed *v1alpha1.Federation, name string) string {
	for i, domain := range fed.Spec.Domains {
		switch {
		case name == string(domain):
			return fmt.Sprintf("spec.domains[%d]", i)
		case name != desired.Hostname(fed) && strings.HasSuffix(name, "."+string(domain)):
			return "spec.server.groupChat.subdomain"
		}
	}
	return "spec.dns.hostname"
}
