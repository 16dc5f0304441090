// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
)

const sessions = `Session ID           | Host                     | Dir  | Remote                   | IPv  | Security  | SASL       | Dialback     
s2sout55b2671b07a0   | cupdomain.com            | -->  | gmail.com                | IPv4 | TLSv1.3   | Succeeded  | Not used     
s2sin55b26741ba60    | cupdomain.com            | <--  | gmail.com                | IPv4 | TLSv1.3   | Succeeded  | Not used     
OK: 2 s2s connections shown`

func TestCheckSessions(t *testing.T) {
	for name, test := range map[string]struct {
		table, problem string
	}{
		"both directions as they should be":  {sessions, ""},
		"an older version of TLS is told":    {strings.Replace(sessions, "TLSv1.3", "TLSv1.2", 1), `outgoing stream.* have "TLSv1.2"`},
		"a stream without TLS is told":       {strings.Replace(sessions, "TLSv1.3  ", "insecure ", 1), `outgoing stream.* have "insecure"`},
		"dialback alone is told":             {strings.Replace(sessions, "Succeeded", "         ", 1), `outgoing stream.* and ""`},
		"a missing direction is told":        {strings.Replace(sessions, "<--", "-->", 1), "no incoming stream"},
		"streams of other partners are none": {strings.ReplaceAll(sessions, "gmail.com", "gmail.org"), "no .* stream"},
		"an empty list is told":              {"OK: 0 s2s connections shown", "no .* stream"},
	} {
		t.Run(name, func(t *testing.T) {
			err := lab.CheckSessions(test.table, "cupdomain.com", "gmail.com")
			if test.problem == "" {
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
			} else {
				NewWithT(t).Expect(err).To(MatchError(MatchRegexp(test.problem)))
			}
		})
	}
}
