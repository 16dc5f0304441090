// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// maxLocalpart is the longest localpart in bytes (RFC 7622 section 3.3).
const maxLocalpart = 1023

// Accounts turns a Secret of localpart -> password into the accounts file of the
// server. Entries that cannot be used are returned by name, sorted. One whose
// localpart is not one is left out. One whose password no client can send (see
// validPassword), such as one with the line feed of `echo` at its end, has an
// empty password in the file: nobody can log in, but the account was not removed.
func Accounts(secret map[string][]byte) (accountsJSON []byte, bad []string, err error) {
	accounts := make(map[string]string, len(secret))
	for _, name := range slices.Sorted(maps.Keys(secret)) {
		switch {
		case !validLocalpart(name):
			bad = append(bad, name)
		case !validPassword(secret[name]):
			bad = append(bad, name)
			accounts[name] = ""
		default:
			accounts[name] = string(secret[name])
		}
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

// validPassword accepts what SASLprep (RFC 4013) lets through: printable
// characters, and text from right to left only where it isn't mixed with the
// other direction (RFC 3454 section 6). Servers refuse every login with others.
func validPassword(p []byte) bool {
	if len(p) == 0 || !utf8.Valid(p) {
		return false
	}
	var leftToRight, rightToLeft bool
	for _, r := range string(p) {
		if !unicode.IsPrint(r) || unicode.Is(unprintable, r) {
			return false
		}
		leftToRight = leftToRight || direction(r) == bidi.L
		rightToLeft = rightToLeft || isRightToLeft(r)
	}
	if !rightToLeft {
		return true
	}
	first, _ := utf8.DecodeRune(p)
	last, _ := utf8.DecodeLastRune(p)
	return !leftToRight && isRightToLeft(first) && isRightToLeft(last)
}

// unprintable are characters that Unicode calls graphic and RFC 3454 prohibits
// (tables C.6, C.7 and C.8).
var unprintable = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0340, Hi: 0x0341, Stride: 1},
	{Lo: 0x2ff0, Hi: 0x2ffb, Stride: 1},
	{Lo: 0xfffc, Hi: 0xfffd, Stride: 1},
}}

func direction(r rune) bidi.Class {
	properties, _ := bidi.LookupRune(r)
	return properties.Class()
}

func isRightToLeft(r rune) bool {
	class := direction(r)
	return class == bidi.R || class == bidi.AL
}
