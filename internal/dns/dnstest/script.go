// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"slices"
	"sync"
)

// failure is an answer that a test wants to a request.
type failure interface {
	// to tells whether it is the answer to such a request.
	to(operation string) bool
}

// script is what a test has a local service do. A request is served while mu is held.
type script[F failure] struct {
	mu       sync.Mutex
	requests []string
	failures []F
	losses   int
	before   func()
}

// FailNext requests, each failure once, in order.
func (s *script[F]) FailNext(failures ...F) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, failures...)
}

// LoseAnswers to the next n changes: each is carried out, and then the connection breaks.
func (s *script[F]) LoseAnswers(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losses = n
}

// BeforeChange calls do once, right before the next change is looked at.
func (s *script[F]) BeforeChange(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = do
}

// Requests that came in so far, by method and path.
func (s *script[F]) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// fails takes the next failure if it is for this request.
func (s *script[F]) fails(operation string) (next F, ok bool) {
	if len(s.failures) == 0 || !s.failures[0].to(operation) {
		return next, false
	}
	next = s.failures[0]
	s.failures = s.failures[1:]
	return next, true
}

// beginChange does what the test wants done before.
func (s *script[F]) beginChange() {
	if s.before != nil {
		s.before()
		s.before = nil
	}
}

// loses tells whether the answer to a change is to be lost.
func (s *script[F]) loses() bool {
	if s.losses == 0 {
		return false
	}
	s.losses--
	return true
}
