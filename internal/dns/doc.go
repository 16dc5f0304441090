// SPDX-License-Identifier: Apache-2.0

// Package dns publishes records.
package dns
