// SPDX-License-Identifier: Apache-2.0

// Package rfc2136 writes to a zone by dynamic update (RFC 2136) and reads from its primary, everything signed with a
// transaction signature (RFC 8945).
//
// Updates and queries go over TCP only. An answer counts only when its signature verifies: the DNS library accepts
// unsigned answers to signed requests, so anybody on the way could make up a success. Errors can't always be signed (a
// server that does not know the key has nothing to sign with); they are taken as hints and nothing is decided on them.
package rfc2136
