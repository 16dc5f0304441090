// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"crypto/sha256"
	"sync"

	"golang.org/x/time/rate"
)

// limiters of requests to services that limit them by account, whatever zone they are about. The zero value is ready.
type limiters struct {
	mu sync.Mutex
	// known by a hash, as what tells accounts apart may be secret.
	known map[[sha256.Size]byte]*rate.Limiter
}

// of the account, a fresh one the first time.
func (l *limiters) of(account string, fresh func() *rate.Limiter) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := sha256.Sum256([]byte(account))
	if l.known == nil {
		l.known = map[[sha256.Size]byte]*rate.Limiter{}
	}
	if l.known[key] == nil {
		l.known[key] = fresh()
	}
	return l.known[key]
}
