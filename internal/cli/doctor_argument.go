// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/idna"
	"k8s.io/apimachinery/pkg/util/validation"
)

// doctorArguments wants one argument, and says which.
func doctorArguments(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("name a Federation or an XMPP domain, for example: kubectl xmppfed doctor cup -n chat, " +
			"or: kubectl xmppfed doctor example.org")
	case len(args) > 1:
		return fmt.Errorf("%s: one Federation or domain at a time; name partners with --peer", strings.Join(args, " "))
	}
	return nil
}

// domainOf understands what a person gives for an XMPP domain, and returns it in lower case without the final dot. The error says
// what was given instead, and which part of it is the domain.
func domainOf(given string) (string, error) {
	domain := strings.ToLower(strings.TrimSuffix(given, "."))
	if address, err := netip.ParseAddr(strings.Trim(given, "[]")); err == nil {
		return "", fmt.Errorf("%s is an address; give the XMPP domain that is served there, as in user@domain", address)
	}
	if _, err := netip.ParseAddrPort(given); err == nil {
		return "", fmt.Errorf("%s is an address with a port; give the XMPP domain that is served there, as in user@domain", given)
	}
	for _, other := range []struct{ what, domain string }{
		{"a URL", hostOfURL(domain)}, {"an XMPP address", hostOfJID(domain)}, {"a host with a port", hostOfPort(domain)},
	} {
		if other.domain != "" {
			return "", fmt.Errorf("%s is %s; give its domain alone: %s", given, other.what, other.domain)
		}
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil && ascii != domain {
		return "", fmt.Errorf("%s has letters beyond ASCII; give the domain as it stands in the DNS: %s", given, ascii)
	}
	problems := validation.IsDNS1123Subdomain(strings.ReplaceAll(domain, "_", "x"))
	if len(problems) > 0 || !strings.Contains(domain, ".") {
		return "", fmt.Errorf("%q is no domain name, which has labels of letters, digits and hyphens with dots between them", given)
	}
	return domain, nil
}

// hostOfURL is empty unless the text is a URL with a host.
func hostOfURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") {
		return ""
	}
	return parsed.Hostname()
}

// hostOfJID is empty unless the text is the address of a user or of a client (RFC 7622 section 3.1).
func hostOfJID(text string) string {
	if strings.Contains(text, "://") {
		return ""
	}
	bare, _, isFull := strings.Cut(text, "/")
	_, domain, isUser := strings.Cut(bare, "@")
	switch {
	case isUser:
		domain, _, _ = strings.Cut(domain, ":")
		return domain
	case isFull:
		return bare
	}
	return ""
}

// hostOfPort is empty unless the text is host:port.
func hostOfPort(text string) string {
	host, port, found := strings.Cut(text, ":")
	if !found || strings.ContainsAny(port, ":/@") {
		return ""
	}
	return host
}
