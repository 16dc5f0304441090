// SPDX-License-Identifier: Apache-2.0

// Package model holds the operator against a small model. Random sequences of what people, clouds, clocks and crashes do
// are played to real reconcilers with real caches and work queues, over an API server and DNS zones in memory, in a bubble
// of testing/synctest where hours pass in no time. After each quiescence the zones and statuses must be what the model
// says. A sequence that fails is shrunk to the shortest that still does and printed in a form that can be replayed.
package model
