// SPDX-License-Identifier: Apache-2.0

// Package controllers sequences the work on Federations and DNSZones. It decides, builds and writes nothing itself:
// packages under internal do.
package controllers
