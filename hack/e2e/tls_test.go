// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

// shown is what openssl(1) on the internet, which may get further arguments, has to say about what is shown to servers at the
// public address of a Federation. In it is the certificate in PEM form, if there is any.
func shown(ctx context.Context, address string, fed *v1alpha1.Federation, arguments ...string) string {
	const command = `timeout 10 openssl s_client -connect "$0:5269" -starttls xmpp-server -xmpphost "$@" </dev/null 2>&1 || echo "ended with $?"`
	call := []string{"exec", "internet", "--", "bash", "-c", command, address, string(fed.Spec.Domains[0])}
	out, err := lab.Run(ctx, append(call, arguments...)...)
	if err != nil {
		return err.Error()
	}
	return out
}

// servedSerial is the serial number of the certificate that the internet is served at the public address, in lower-case
// hexadecimal without leading zeros; empty while nothing is served.
func (s *site) servedSerial(fed *v1alpha1.Federation) string {
	s.Helper()
	block, _ := pem.Decode([]byte(shown(s.ctx, s.publicService(fed).Status.LoadBalancer.Ingress[0].IP, fed)))
	if block == nil {
		return ""
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	s.must(err)
	return certificate.SerialNumber.Text(16)
}
