// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/claims"
)

// keeping is a Federation that still has former host names.
func keeping(fed v1alpha1.Federation, hosts ...string) v1alpha1.Federation {
	for _, host := range hosts {
		fed.Status.FormerHosts = append(fed.Status.FormerHosts, v1alpha1.FormerHost{Hostname: host})
	}
	return fed
}

func TestDeadlocked(t *testing.T) {
	plain := func(name string) v1alpha1.Federation { return federation(name, 0, name) }
	for name, test := range map[string]struct {
		feds []v1alpha1.Federation
		want []string // of the first
	}{
		"waits for nobody": {feds: []v1alpha1.Federation{keeping(plain("a"), "h1"), finding(plain("b"), "h1", "a")}},
		"waits for one who moves on": {
			feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "b"), "h1"), keeping(plain("b"), "h2"), finding(plain("c"), "h1", "a")},
		},
		"a swap": {
			feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "b"), "h1"), keeping(finding(plain("b"), "h1", "a"), "h2")},
			want: []string{"h1"},
		},
		"a circle of three": {
			feds: []v1alpha1.Federation{
				keeping(finding(plain("a"), "h2", "b"), "h0", "h1"), keeping(finding(plain("b"), "h3", "c"), "h2"),
				keeping(finding(plain("c"), "h1", "a"), "h3"),
			},
			want: []string{"h1"},
		},
		"waits for a circle of others": {
			feds: []v1alpha1.Federation{
				keeping(finding(plain("a"), "h2", "b"), "h1"), keeping(finding(plain("b"), "h3", "c"), "h2"),
				keeping(finding(plain("c"), "h2", "b"), "h3"),
			},
		},
		"waits for a name that the other uses": {
			feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "b"), "h1"), finding(plain("b"), "h1", "a")},
		},
		"waits for somebody who is not here": {feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "z"), "h1")}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := claims.Deadlocked(&test.feds[0], func(owner string) (*v1alpha1.Federation, error) {
				for i := range test.feds {
					if test.feds[i].Status.DNSOwner == owner {
						return &test.feds[i], nil
					}
				}
				return nil, nil
			})
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	unknown := errors.New("unknown")
	fed := finding(plain("a"), "h2", "b")
	if _, err := claims.Deadlocked(&fed, func(string) (*v1alpha1.Federation, error) { return nil, unknown }); !errors.Is(err, unknown) {
		t.Errorf("got %v", err)
	}
}
