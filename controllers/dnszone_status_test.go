// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// twoKeys is a provider whose key is being changed.
type twoKeys struct {
	dns.Provider
	rotated  bool
	unusable error
}

func (twoKeys) Probe(context.Context) error { return nil }
func (twoKeys) Capabilities() dns.Capabilities {
	return dns.Capabilities{Writes: true, Prerequisites: true, Atomic: true}
}
func (k twoKeys) Rotated() bool        { return k.rotated }
func (k twoKeys) OtherUnusable() error { return k.unusable }

func TestAZoneTellsHowFarTheChangeOfItsKeyHasCome(t *testing.T) {
	broken := errors.New("one of them can't be used; the platform team corrects it")
	const answers, done, previous = "the primary of cupdomain.com answers and accepts the key", " next-key; as soon as it has the rights " +
		"there that fed-key had, the platform team removes spec.provider.rfc2136.previousTSIG, and the server's administrator that key",
		" fed-key of spec.provider.rfc2136.previousTSIG"
	for name, test := range map[string]struct {
		provider twoKeys
		trouble  *outcome.Error
		want     string
	}{
		"the new one serves": {twoKeys{rotated: true}, nil, answers + done},
		"the previous one serves": {
			twoKeys{}, nil, answers + previous + ", but not next-key yet, or not for updates; the server's administrator adds it with the " +
				"same rights, the platform team its Secret",
		},
		"the new one is broken":      {twoKeys{unusable: broken}, nil, answers + previous + "; " + broken.Error()},
		"the previous one is broken": {twoKeys{rotated: true, unusable: broken}, nil, answers + done + "; " + broken.Error()},
		"one is broken, and the server does not accept the other": {
			twoKeys{unusable: broken}, outcome.Stalled(v1alpha1.ReasonTSIGKeyUnknown, "fed-key is unknown"),
			"fed-key is unknown; " + broken.Error(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			zone := &v1alpha1.DNSZone{Spec: v1alpha1.DNSZoneSpec{Zone: "cupdomain.com", Provider: v1alpha1.DNSProvider{
				RFC2136: &v1alpha1.RFC2136Provider{
					TSIG: v1alpha1.TSIGKey{KeyName: "next-key"}, PreviousTSIG: &v1alpha1.TSIGKey{KeyName: "fed-key"},
				},
			}}}
			updateZoneStatus(zone, test.provider, test.trouble, time.Now())
			ready := meta.FindStatusCondition(zone.Status.Conditions, v1alpha1.ConditionReady)
			if ready.Message != test.want || (ready.Status == metav1.ConditionTrue) != (test.trouble == nil) {
				t.Errorf("got %s: %s\nwant %s", ready.Status, ready.Message, test.want)
			}
		})
	}
}
