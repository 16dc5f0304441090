// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestAFamilyThatNoSourceRangeIsOfIsOpenToAll(t *testing.T) {
	const v4, v6 = corev1.IPv4Protocol, corev1.IPv6Protocol
	const because = ", because spec.exposure.loadBalancer.sourceRanges name no network of that family; add one that may"
	const orOne = ", or set spec.exposure.loadBalancer.ipFamilyPolicy to SingleStack"
	for name, test := range map[string]struct {
		families []corev1.IPFamily
		ranges   []string
		want     string
	}{
		"no ranges, everyone is meant":     {[]corev1.IPFamily{v4, v6}, nil, ""},
		"one family, of its own":           {[]corev1.IPFamily{v4}, []string{"198.51.100.0/24"}, ""},
		"two families, of both":            {[]corev1.IPFamily{v6, v4}, []string{"198.51.100.0/24", "2001:db8::/32"}, ""},
		"IPv4 alone, of the other":         {[]corev1.IPFamily{v4}, []string{"2001:db8::/32"}, "everyone may connect by IPv4" + because},
		"IPv6 alone, of the other":         {[]corev1.IPFamily{v6}, []string{"198.51.100.0/24"}, "everyone may connect by IPv6" + because},
		"IPv6 after IPv4, of IPv4 alone":   {[]corev1.IPFamily{v4, v6}, []string{"198.51.100.0/24"}, "everyone may connect by IPv6" + because + orOne},
		"IPv6 before IPv4, of IPv4 alone":  {[]corev1.IPFamily{v6, v4}, []string{"198.51.100.0/24"}, "everyone may connect by IPv6" + because},
		"a family that is not known (yet)": {nil, []string{"198.51.100.0/24"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			spec := corev1.ServiceSpec{IPFamilies: test.families, LoadBalancerSourceRanges: test.ranges}
			if got := openToAll(&spec); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
