// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "testing"

func TestAPeersPolicyIsItsOwnFieldsThenItsProfileThenTheDefaults(t *testing.T) {
	defaults := PeerDefaults{Access: PeerAccessDeny, TLS: PeerTLSOptional, Authentication: PeerAuthenticationCertificateOrDialback}
	for name, test := range map[string]struct {
		peer Peer
		want PeerPolicy
	}{
		"nothing of its own but that it is listed": {Peer{Access: PeerAccessAllow},
			PeerPolicy{PeerAccessAllow, PeerTLSOptional, PeerAuthenticationCertificateOrDialback}},
		"one field": {Peer{Access: PeerAccessAllow, TLS: PeerTLSRequired},
			PeerPolicy{PeerAccessAllow, PeerTLSRequired, PeerAuthenticationCertificateOrDialback}},
		"denied": {Peer{Access: PeerAccessDeny},
			PeerPolicy{PeerAccessDeny, PeerTLSOptional, PeerAuthenticationCertificateOrDialback}},
		"Standard": {Peer{Access: PeerAccessAllow, Profile: PeerProfileStandard},
			PeerPolicy{PeerAccessAllow, PeerTLSRequired, PeerAuthenticationCertificate}},
		"CUP": {Peer{Access: PeerAccessAllow, Profile: PeerProfileCUP},
			PeerPolicy{PeerAccessAllow, PeerTLSRequired, PeerAuthenticationCertificate}},
		"WebEx Connect": {Peer{Access: PeerAccessAllow, Profile: PeerProfileWebExConnect},
			PeerPolicy{PeerAccessAllow, PeerTLSOptional, PeerAuthenticationDialback}},
		"Sametime": {Peer{Access: PeerAccessAllow, Profile: PeerProfileSametime},
			PeerPolicy{PeerAccessAllow, PeerTLSRequired, PeerAuthenticationCertificate}},
		"Sametime without TLS": {
			Peer{Access: PeerAccessAllow, Profile: PeerProfileSametime, TLS: PeerTLSDisabled, Authentication: PeerAuthenticationDialback},
			PeerPolicy{PeerAccessAllow, PeerTLSDisabled, PeerAuthenticationDialback}},
		"GoogleTalk": {Peer{Access: PeerAccessAllow, Profile: PeerProfileGoogleTalk},
			PeerPolicy{PeerAccessAllow, PeerTLSDisabled, PeerAuthenticationDialback}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.peer.Policy(defaults); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
