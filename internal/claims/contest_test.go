// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
	"github.com/xmppfed/xmppfed/internal/desired"
)

// federation wants domains below example; its host name is of no interest. Its owner is "owner-" and its name.
func federation(name string, second int, domains ...string) v1alpha1.Federation {
	fed := v1alpha1.Federation{ObjectMeta: made("chat", name, second)}
	fed.Spec.DNS.Hostname = v1alpha1.DomainName("xmpp-" + name + ".example")
	for _, domain := range domains {
		fed.Spec.Domains = append(fed.Spec.Domains, v1alpha1.DomainName(domain))
	}
	fed.Status.DNSOwner = "owner-" + name
	return fed
}

// with is a Federation whose status has the record of a domain in a state.
func with(fed v1alpha1.Federation, state v1alpha1.RecordState, domains ...string) v1alpha1.Federation {
	for _, domain := range domains {
		fed.Status.Records = append(fed.Status.Records,
			v1alpha1.RecordStatus{Name: "_xmpp-server._tcp." + domain, Type: "SRV", State: state})
	}
	return fed
}

// finding is a Federation that found another owner at a name.
func finding(fed v1alpha1.Federation, name, other string) v1alpha1.Federation {
	fed.Status.Conflicts = append(fed.Status.Conflicts, v1alpha1.NameConflict{Name: name, Owner: "owner-" + other})
	return fed
}

// handing is a Federation that hands its names over to another.
func handing(fed v1alpha1.Federation, to string) v1alpha1.Federation {
	fed.Spec.DNS.TransferTo = "owner-" + to
	return fed
}

func deleted(fed v1alpha1.Federation) v1alpha1.Federation {
	fed.DeletionTimestamp = &metav1.Time{Time: fed.CreationTimestamp.Time}
	return fed
}

// contest between Federations, of which those in barred may not publish.
func contest(feds []v1alpha1.Federation, barred ...string) claims.Contest {
	return claims.Contest{
		Wanting: func(name string) ([]v1alpha1.Federation, error) {
			return slices.DeleteFunc(slices.Clone(feds), func(fed v1alpha1.Federation) bool {
				return !slices.Contains(desired.Claims(&fed), name)
			}), nil
		},
		MayPublish: func(fed *v1alpha1.Federation) (bool, error) { return !slices.Contains(barred, fed.Name), nil },
	}
}

func TestContest(t *testing.T) {
	type feds = []v1alpha1.Federation
	const published, pending = v1alpha1.RecordPublished, v1alpha1.RecordPending
	for name, test := range map[string]struct {
		feds   feds
		barred []string
		// winners are those whom nobody keeps out.
		winners []string
	}{
		"the older":              {feds: feds{federation("a", 0, "x"), federation("b", 1, "x")}, winners: []string{"a"}},
		"of one second only one": {feds: feds{federation("a", 0, "x"), federation("b", 0, "x")}, winners: []string{"a"}},
		"who has published before the older": {
			feds: feds{federation("a", 0, "x"), with(federation("b", 1, "x"), published, "x")}, winners: []string{"b"},
		},
		"who has not published yet is no better than any other": {
			feds: feds{federation("a", 0, "x"), with(federation("b", 1, "x"), pending, "x")}, winners: []string{"a"},
		},
		"who has published another name is no better either": {
			feds: feds{federation("a", 0, "x"), with(federation("b", 1, "x"), published, "y")}, winners: []string{"a"},
		},
		"who may not publish keeps nobody out": {
			feds: feds{federation("a", 0, "x"), federation("b", 1, "x")}, barred: []string{"a"}, winners: []string{"a", "b"},
		},
		"who may no longer publish and has the name keeps it": {
			feds: feds{with(federation("a", 0, "x"), published, "x"), federation("b", 1, "x")}, barred: []string{"a"}, winners: []string{"a"},
		},
		"who may no longer publish and never had the name does not": {
			feds: feds{with(federation("a", 0, "x"), pending, "x"), federation("b", 1, "x")}, barred: []string{"a"},
			winners: []string{"a", "b"},
		},
		"who is being deleted keeps out only by what it has": {
			feds: feds{deleted(federation("a", 0, "x")), federation("b", 1, "x")}, winners: []string{"a", "b"},
		},
		"who is being deleted and still has the name": {
			feds: feds{deleted(with(federation("a", 0, "x"), published, "x")), federation("b", 1, "x")}, winners: []string{"a"},
		},
		"who is kept out of one name keeps nobody out of another": {
			feds:    feds{with(federation("a", 2, "x"), published, "x"), federation("b", 0, "x", "y"), federation("c", 1, "y")},
			winners: []string{"a", "c"},
		},
		"who is kept out by an older one keeps nobody out either": {
			feds: feds{federation("a", 0, "x"), federation("b", 1, "x", "y"), federation("c", 2, "y")}, winners: []string{"a", "c"},
		},
		"one of two names is had by the younger, who wants both": {
			feds: feds{federation("a", 0, "x", "y"), with(federation("b", 1, "x", "y"), published, "x")}, winners: []string{"b"},
		},
		"each has what the other wants besides": {
			feds: feds{with(federation("a", 0, "x", "y"), published, "x"), with(federation("b", 1, "x", "y"), published, "y")},
		},
		"a swap": {
			feds: feds{with(federation("a", 0, "y"), published, "x"), with(federation("b", 1, "x"), published, "y")}, winners: []string{"a", "b"},
		},
		"a circle of three": {
			feds: feds{
				with(federation("a", 0, "y"), published, "x"), with(federation("b", 1, "z"), published, "y"),
				with(federation("c", 2, "x"), published, "z"),
			},
			winners: []string{"a", "b", "c"},
		},
		"a swap of which half is written": {
			feds: feds{with(federation("a", 0, "y"), published, "x"), with(federation("b", 1, "y"), published, "y")}, winners: []string{"b"},
		},
		"without status, whom another found at the name": {
			feds: feds{finding(federation("a", 0, "x"), "x", "b"), federation("b", 1, "x")}, winners: []string{"b"},
		},
		"whom another found is not known": {
			feds: feds{finding(federation("a", 0, "x"), "x", "c"), federation("b", 1, "x")}, winners: []string{"a"},
		},
		"whom another found does not want the name any more": {
			feds: feds{finding(federation("a", 0, "x"), "x", "b"), federation("b", 1, "y")}, winners: []string{"a", "b"},
		},
		"what was found outweighs what one's own status said": {
			feds: feds{finding(with(federation("a", 0, "x"), published, "x"), "x", "b"), federation("b", 1, "x")}, winners: []string{"b"},
		},
		"each found the other: the older looks again": {
			feds: feds{finding(federation("a", 0, "x"), "x", "b"), finding(federation("b", 1, "x"), "x", "a")}, winners: []string{"a"},
		},
		"both say that they have it: the older looks again": {
			feds: feds{with(federation("a", 0, "x"), published, "x"), with(federation("b", 1, "x"), published, "x")}, winners: []string{"a"},
		},
		"who is found at one name is found with all": {
			feds: feds{finding(federation("a", 0, "x", "y"), "x", "b"), federation("b", 1, "x", "y")}, winners: []string{"b"},
		},
		"who hands over and who takes are no rivals": {
			feds: feds{handing(with(federation("a", 0, "x"), published, "x"), "b"), federation("b", 1, "x")}, winners: []string{"a", "b"},
		},
		"nor after the names changed hands": {
			feds: feds{handing(federation("a", 0, "x"), "b"), with(federation("b", 1, "x"), published, "x")}, winners: []string{"a", "b"},
		},
		"who hands over keeps others out": {
			feds:    feds{handing(with(federation("a", 2, "x"), published, "x"), "b"), federation("b", 1, "x"), federation("c", 0, "x")},
			winners: []string{"a", "b"},
		},
		"to say that one hands over what one has not gives nothing": {
			feds: feds{with(federation("a", 1, "x"), published, "x"), handing(federation("c", 0, "x"), "b")}, winners: []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if got := winners(t, contest(test.feds, test.barred...), test.feds); !slices.Equal(got, test.winners) {
					t.Errorf("got %v, want %v", got, test.winners)
				}
				slices.Reverse(test.feds) // the order in which they are listed does not matter
			}
		})
	}
}

// winners are those whom nobody keeps out, sorted.
func winners(t *testing.T, contest claims.Contest, feds []v1alpha1.Federation) []string {
	t.Helper()
	var names []string
	for i := range feds {
		rival, name, err := contest.Rival(&feds[i], desired.Claims(&feds[i])...)
		switch {
		case err != nil:
			t.Fatal(err)
		case rival == nil:
			names = append(names, feds[i].Name)
		case name == "":
			t.Errorf("%s is kept out by %s of no name", feds[i].Name, rival.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestContest_WhoCanNotBeJudgedIsAnError(t *testing.T) {
	unknown := errors.New("unknown")
	feds := []v1alpha1.Federation{federation("a", 0, "x"), federation("b", 1, "x")}
	for name, spoil := range map[string]func(*claims.Contest){
		"who may publish": func(c *claims.Contest) {
			c.MayPublish = func(*v1alpha1.Federation) (bool, error) { return false, unknown }
		},
		"who wants a name": func(c *claims.Contest) {
			c.Wanting = func(string) ([]v1alpha1.Federation, error) { return nil, unknown }
		},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := contest(feds)
			spoil(&spoilt)
			if _, _, err := spoilt.Rival(&feds[1], "x"); !errors.Is(err, unknown) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestClaimed_AcrossNamespacesSaysOnlyThatANameIsTaken(t *testing.T) {
	const rest = "; take it out of this Federation, or have that one deleted or changed, after which this one takes over by itself; " +
		"to move the name here without a gap, have that one name this one in spec.dns.transferTo: "
	for name, test := range map[string]struct{ namespace, owner, want string }{
		"in the namespace":     {"chat", "owner-a", "x belongs to Federation b" + rest + "owner-a"},
		"in another namespace": {"secret", "owner-a", "x belongs to a Federation in another namespace" + rest + "owner-a"},
		"not created yet":      {"chat", "", "x belongs to Federation b" + rest + "the status.dnsOwner of this one"},
	} {
		t.Run(name, func(t *testing.T) {
			fed, other := federation("a", 1, "x"), federation("b", 0, "x")
			fed.Status.DNSOwner, other.Namespace = test.owner, test.namespace
			if got := claims.Claimed(&fed, &other, "x").Message; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
