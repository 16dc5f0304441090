// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLocalpart is the longest localpart in bytes (RFC 7622 section 3.3).
const maxLocalpart = 1023

// Accounts turns a Secret of localpart -> password into the accounts file of the
// server. Entries that cannot be an account are left out and returned by name,
// sorted: a localpart that is not one, or a password that is empty or holds
// bytes that no client can send (not UTF-8, or control characters such as the
// line feed of `echo`).
func Accounts(secret map[string][]byte) (accountsJSON []byte, bad []string, err error) {
	accounts := make(map[string]string, len(secret))
	for _, name := range slices.Sorted(maps.Keys(secret)) {
		if !validLocalpart(name) || !validPassword(secret[name]) {
			bad = append(bad, name)
			continue
		}
		accounts[name] = string(secret[name])
	}
	accountsJSON, err = json.Marshal(accounts)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding accounts: %w", err)
	}
	return accountsJSON, bad, nil
}

// validLocalpart accepts the subset of RFC 7622 localparts that is its own
// normal form: printable ASCII, lower-case, without the separators of a JID.
// Kubernetes restricts keys of a Secret further; that is not relied on.
func validLocalpart(s string) bool {
	if len(s) == 0 || len(s) > maxLocalpart {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c >= 'A' && c <= 'Z' || strings.IndexByte(`"&'/:<>@`, c) >= 0 {
			return false
		}
	}
	return true
}

func validPassword(p []byte) bool {
	if len(p) == 0 || !utf8.Valid(p) {
		return false
	}
	for _, r := range string(p) {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}
