// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"strings"
)

// ProsodySessions is the list of server-to-server streams as the Prosody in a pod prints it.
func ProsodySessions(ctx context.Context, namespace, pod string) (string, error) {
	return Run(ctx, "kubectl", "-n", namespace, "exec", pod, "--", "prosodyctl", "shell", "s2s", "show")
}

// Session is a line of the list.
type Session struct {
	ID, Host, Remote string
	// Direction is "-->" for a stream to the partner and "<--" for one from it.
	Direction string
	// Family is that of the addresses: IPv4 or IPv6.
	Family string
	// Security is the version of TLS.
	Security string
	// SASL is "Succeeded" when the certificate proved the domain (mechanism EXTERNAL).
	SASL string
}

// ParseSessions reads Prosody's list by its headings.
func ParseSessions(table string) []Session {
	var sessions []Session
	var headings []string
	for line := range strings.Lines(table) {
		fields := strings.Split(line, "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		if fields[0] == "Session ID" {
			headings = fields
			continue
		}
		if len(fields) != len(headings) {
			continue
		}
		row := map[string]string{}
		for i, heading := range headings {
			row[heading] = fields[i]
		}
		sessions = append(sessions, Session{
			ID: row["Session ID"], Host: row["Host"], Remote: row["Remote"],
			Direction: row["Dir"], Family: row["IPv"], Security: row["Security"], SASL: row["SASL"],
		})
	}
	return sessions
}

// CheckSessions makes sure that there is a stream in each direction between host and remote, encrypted with TLS 1.3, and
// that certificates proved both domains.
func CheckSessions(table, host, remote string) error {
	for direction, name := range map[string]string{"-->": "outgoing", "<--": "incoming"} {
		found := false
		for _, s := range ParseSessions(table) {
			if s.Host != host || s.Remote != remote || s.Direction != direction {
				continue
			}
			found = true
			if s.Security != "TLSv1.3" || s.SASL != "Succeeded" {
				return fmt.Errorf("%s stream between %s and %s: want TLSv1.3 and SASL EXTERNAL, have %q and %q",
					name, host, remote, s.Security, s.SASL)
			}
		}
		if !found {
			return fmt.Errorf("no %s stream between %s and %s in this list:\n%s", name, host, remote, table)
		}
	}
	return nil
}
