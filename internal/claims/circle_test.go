// SPDX-License-Identifier: Apache-2.0

package claims_test

import (
	"errors"
	"maps"
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

func yielding(fed v1alpha1.Federation) v1alpha1.Federation {
	for i := range fed.Status.FormerHosts {
		fed.Status.FormerHosts[i].Yielding = true
	}
	return fed
}

func TestCircle(t *testing.T) {
	plain := func(name string) v1alpha1.Federation { return federation(name, 0, name) }
	for name, test := range map[string]struct {
		feds []v1alpha1.Federation
		want map[string]bool // of the first
	}{
		"waits for nobody": {feds: []v1alpha1.Federation{keeping(plain("a"), "h1"), finding(plain("b"), "h1", "a")}},
		"waits for one who moves on": {
			feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "b"), "h1"), keeping(plain("b"), "h2"), finding(plain("c"), "h1", "a")},
		},
		"a swap": {
			feds: []v1alpha1.Federation{keeping(finding(plain("a"), "h2", "b"), "h1"), keeping(finding(plain("b"), "h1", "a"), "h2")},
			want: map[string]bool{"h1": false},
		},
		"a circle of three": {
			feds: []v1alpha1.Federation{
				keeping(finding(plain("a"), "h2", "b"), "h0", "h1"), keeping(finding(plain("b"), "h3", "c"), "h2"),
				keeping(finding(plain("c"), "h1", "a"), "h3"),
			},
			want: map[string]bool{"h1": false},
		},
		"a circle of three in which one does not yield yet": {
			feds: []v1alpha1.Federation{
				yielding(keeping(finding(plain("a"), "h2", "b"), "h1")), yielding(keeping(finding(plain("b"), "h3", "c"), "h2")),
				keeping(finding(plain("c"), "h1", "a"), "h3"),
			},
			want: map[string]bool{"h1": false},
		},
		"a circle of three in which all yield": {
			feds: []v1alpha1.Federation{
				yielding(keeping(finding(plain("a"), "h2", "b"), "h1")), yielding(keeping(finding(plain("b"), "h3", "c"), "h2")),
				yielding(keeping(finding(plain("c"), "h1", "a"), "h3")),
			},
			want: map[string]bool{"h1": true},
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
			got, err := claims.Circle(&test.feds[0], func(owner string) (*v1alpha1.Federation, error) {
				for i := range test.feds {
					if test.feds[i].Status.DNSOwner == owner {
						return &test.feds[i], nil
					}
				}
				return nil, nil
			})
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			}
		})
	}
	unknown := errors.New("unknown")
	fed := finding(plain("a"), "h2", "b")
	if _, err := claims.Circle(&fed, func(string) (*v1alpha1.Federation, error) { return nil, unknown }); !errors.Is(err, unknown) {
		t.Errorf("got %v", err)
	}
}
