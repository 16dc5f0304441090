// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"regexp"
	"strings"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

var serialLine = regexp.MustCompile(`(?m)^serial=([0-9A-F]+)$`)

// servedSerial is the serial number of the certificate that the internet is served at the public address, in lower-case
// hexadecimal without leading zeros; empty while nothing is served.
func (s *site) servedSerial(fed *v1alpha1.Federation) string {
	s.Helper()
	const command = `openssl s_client -connect "$0" -starttls xmpp-server -xmpphost "$1" </dev/null 2>/dev/null | openssl x509 -noout -serial`
	address := s.publicService(fed).Status.LoadBalancer.Ingress[0].IP + ":5269"
	out, err := lab.Run(s.ctx, "exec", "internet", "--", "bash", "-c", command, address, string(fed.Spec.Domains[0]))
	found := serialLine.FindStringSubmatch(out)
	if err != nil || found == nil {
		return ""
	}
	return strings.TrimLeft(strings.ToLower(found[1]), "0")
}
