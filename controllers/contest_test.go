// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// contender is a Federation that wants domains.
func contender(name string, edit func(*v1alpha1.Federation), domains ...v1alpha1.DomainName) *v1alpha1.Federation {
	fed := &v1alpha1.Federation{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: name, Generation: 1}}
	fed.Spec.Domains, fed.Spec.DNS.Hostname = domains, v1alpha1.DomainName("xmpp-"+name+".example")
	fed.Status.DNSOwner = "owner-" + name
	edit(fed)
	return fed
}

func asIs(*v1alpha1.Federation) {}

// found is a Federation that found an owner at a name.
func found(name, owner string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Status.Conflicts = []v1alpha1.NameConflict{{Name: name, Owner: owner}}
	}
}

// publishes is a Federation that has a domain in the DNS.
func publishes(domain string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Status.Records = []v1alpha1.RecordStatus{{Name: "_xmpp-server._tcp." + domain, State: v1alpha1.RecordPublished}}
	}
}

// says is a Federation with a condition.
func says(condition, reason string) func(*v1alpha1.Federation) {
	return func(fed *v1alpha1.Federation) {
		fed.Status.Conditions = []metav1.Condition{{Type: condition, Status: metav1.ConditionFalse, Reason: reason}}
	}
}

// Without this, whoever waits for a name would have to look again and again.
func TestStakeChanged_LetsPassWhatOthersWaitFor(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*v1alpha1.Federation)
		want bool
	}{
		"nothing":                         {asIs, false},
		"the spec":                        {func(fed *v1alpha1.Federation) { fed.Generation = 2 }, true},
		"who it is":                       {func(fed *v1alpha1.Federation) { fed.Status.DNSOwner = "other" }, true},
		"another owner at a name":         {found("x", "owner-b"), true},
		"a name that every server serves": {publishes("x"), true},
		"a former host that yields":       {func(fed *v1alpha1.Federation) { fed.Status.FormerHosts = []v1alpha1.FormerHost{{Yielding: true}} }, true},
		"it is kept out":                  {says(v1alpha1.ConditionAccepted, v1alpha1.ReasonDomainClaimed), true},
		"its names are offered":           {says(v1alpha1.ConditionDNSPublished, v1alpha1.ReasonTransferOffered), true},
		"its server":                      {says(v1alpha1.ConditionServerReady, v1alpha1.ReasonRollingOut), false},
		"a record that is not served yet": {func(fed *v1alpha1.Federation) {
			publishes("x")(fed)
			fed.Status.Records[0].State = v1alpha1.RecordPending
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := contender("a", asIs, "x"), contender("a", test.edit, "x")
			if got := stakeChanged().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
	if !stakeChanged().Delete(event.DeleteEvent{Object: contender("a", asIs, "x")}) {
		t.Error("deletion does not pass")
	}
}

func TestRivals_AreThoseWhoWaitForAName(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	changed := contender("changed", publishes("had"), "wanted")
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Federation{}).WithObjects(
		changed,
		contender("wants-the-same", asIs, "wanted", "more"),
		contender("wants-what-it-has", asIs, "had"),
		contender("found-it-elsewhere", found("elsewhere", "owner-changed"), "elsewhere"),
		contender("found-another", found("other", "owner-other"), "other"),
	)
	for field, values := range map[string]func(*v1alpha1.Federation) []string{indexClaims: desired.Claims, indexConflicts: conflictOwners} {
		builder.WithIndex(&v1alpha1.Federation{}, field, func(obj client.Object) []string { return values(obj.(*v1alpha1.Federation)) })
	}
	r := &FederationReconciler{Client: builder.Build()}
	var names []string
	for _, request := range r.rivals(t.Context(), changed) {
		names = append(names, request.Name)
	}
	slices.Sort(names)
	if want := []string{"found-it-elsewhere", "wants-the-same", "wants-what-it-has"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
